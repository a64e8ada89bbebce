//! While Kymaros is uninstalled.

use super::{ADMISSION, ANY, KYMAROS, VELERO_GROUP, WEBHOOKS};
use crate::rbac::{
    ObjectName::{CertificateSecret, Deployment, Lease, SandboxRole, WebhookConfiguration},
    Rule,
};

const UNINSTALLS: &[&str] = &[
    "src/uninstall/mod.rs",
    "src/uninstall/release.rs",
    "src/uninstall/sandboxes.rs",
];

pub(in crate::rbac) const UNINSTALL: &[Rule] = &[
    Rule {
        groups: ADMISSION,
        resources: WEBHOOKS,
        verbs: &["delete"],
        name: Some(WebhookConfiguration),
        why: "nothing may wait for webhooks that are gone",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["restores", "downloadrequests"],
        verbs: &["list", "delete"],
        why: "removes what runs made beside Velero, whose namespace may be gone",
        needed_by: UNINSTALLS,
        rarely: &[("delete", "a run had not ended")],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["restoretests", "restorereports"],
        verbs: &["list", "patch"],
        why: "releases tests and reports, so that they can be deleted without the operator",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        resources: &["namespaces"],
        verbs: &["get", "list", "delete"],
        why: "removes sandboxes",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        resources: &["persistentvolumes"],
        verbs: &["list", "patch"],
        why: "removes their volumes",
        needed_by: UNINSTALLS,
        rarely: &[("patch", "a volume would outlive its claim")],
        ..ANY
    },
    Rule {
        groups: &["snapshot.storage.k8s.io"],
        resources: &["volumesnapshotcontents"],
        verbs: &["list", "delete"],
        why: "removes what Velero made of the snapshots of a backup for them",
        needed_by: UNINSTALLS,
        rarely: &[("delete", "a backup with CSI snapshots was being restored")],
        ..ANY
    },
    Rule {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["rolebindings"],
        verbs: &["create"],
        why: "gives itself the rights of a sandbox there",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["clusterroles"],
        verbs: &["bind"],
        name: Some(SandboxRole),
        why: "and no other rights",
        needed_by: UNINSTALLS,
        rarely: &[(
            "bind",
            "the API server asks for it by itself and writes no record of that",
        )],
        ..ANY
    },
];

pub(in crate::rbac) const UNINSTALL_OWN: &[Rule] = &[
    Rule {
        groups: &["apps"],
        resources: &["deployments"],
        verbs: &["list", "watch", "patch"],
        name: Some(Deployment),
        why: "stops the operator first",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        resources: &["pods"],
        verbs: &["list", "watch"],
        why: "waits until it has stopped",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["delete"],
        name: Some(CertificateSecret),
        why: "removes the certificate",
        needed_by: UNINSTALLS,
        ..ANY
    },
    Rule {
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["delete"],
        name: Some(Lease),
        why: "removes the Lease",
        needed_by: UNINSTALLS,
        ..ANY
    },
];
