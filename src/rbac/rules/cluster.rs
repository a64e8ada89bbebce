//! In the whole cluster.

use super::{ADMISSION, ANY, KYMAROS, WEBHOOKS};
use crate::rbac::{
    GROUP_OF_EACH,
    ObjectName::{SandboxRole, WebhookConfiguration},
    PLURAL_OF_EACH, Rule,
    Setting::{CompareResources, CompareSecrets, OwnCertificate, Reviews, WritesTests},
};

/// To know what a backup should hold.
const SOURCE: Rule = Rule {
    verbs: &["list"],
    why: "holds a backup against what its source has: asks for metadata only",
    needed_by: &["src/source/list.rs"],
    ..ANY
};

/// It can neither read a Secret, unless the chart's value `completeness.secrets` says so, nor touch a workload with
/// these. Kinds of other products it lists only when `completeness.customResources` names them.
pub(in crate::rbac) const CLUSTER: &[Rule] = &[
    Rule {
        groups: KYMAROS,
        resources: &["restoretests"],
        verbs: &["get", "list", "watch", "patch"],
        why: "reads tests, takes triggers, holds and releases them by a finalizer",
        needed_by: &["src/commands/operator/watched.rs", "src/schedule/act.rs"],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["restoretests"],
        verbs: &["create", "delete"],
        when: Some(WritesTests),
        why: "changes tests for callers of its API who have no account; admission fences the rest",
        needed_by: &["src/api/write.rs"],
        rarely: &[
            ("create", "the chart's value auth.mode is token or none"),
            ("delete", "the chart's value auth.mode is token or none"),
        ],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["restorereports"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "makes a report for each run, releases it, and deletes those beyond the history limit",
        needed_by: &[
            "src/schedule/act.rs",
            "src/run/controller.rs",
            "src/sandbox/sweep.rs",
            "src/notify/controller.rs",
        ],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["restoretests/status"],
        verbs: &["update", "patch"],
        why: "writes the status of tests",
        needed_by: &["src/schedule/controller.rs", "src/commands/operator/watched.rs"],
        rarely: &[("patch", "marks a stored test that cannot be read")],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["restorereports/status"],
        verbs: &["update"],
        why: "writes the status of runs",
        needed_by: &["src/run/controller.rs", "src/notify/controller.rs"],
        ..ANY
    },
    Rule {
        groups: KYMAROS,
        resources: &["healthcheckpolicies"],
        verbs: &["list", "watch"],
        why: "reads policies",
        needed_by: &["src/commands/operator/watched.rs"],
        ..ANY
    },
    Rule {
        resources: &["namespaces"],
        verbs: &["get", "list", "watch", "create", "delete"],
        why: "makes, finds and removes sandboxes; admission fences which namespaces",
        needed_by: &[
            "src/sandbox/apply.rs",
            "src/sandbox/remove.rs",
            "src/sandbox/leftovers.rs",
            "src/commands/operator/watched.rs",
        ],
        ..ANY
    },
    // The rights in a sandbox end before its namespace does.
    Rule {
        resources: &["namespaces"],
        verbs: &["patch"],
        why: "takes foreign finalizers off sandboxes that are going; admission fences that it changes nothing else",
        needed_by: &["src/sandbox/held.rs"],
        rarely: &[("patch", "another product does not let a sandbox go")],
        ..ANY
    },
    Rule {
        groups: &["networking.k8s.io"],
        resources: &["networkpolicies"],
        verbs: &["create", "patch"],
        why: "closes a sandbox before anything is restored into it",
        needed_by: &["src/sandbox/apply.rs"],
        ..ANY
    },
    Rule {
        resources: &["resourcequotas", "limitranges"],
        verbs: &["create", "patch"],
        why: "limits a sandbox",
        needed_by: &["src/sandbox/apply.rs"],
        ..ANY
    },
    Rule {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["rolebindings"],
        verbs: &["create", "patch"],
        why: "gives itself the rights of a sandbox there",
        needed_by: &["src/sandbox/apply.rs"],
        ..ANY
    },
    Rule {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["clusterroles"],
        verbs: &["bind"],
        name: Some(SandboxRole),
        why: "and no other rights",
        needed_by: &["src/sandbox/apply.rs"],
        rarely: &[(
            "bind",
            "the API server asks for it by itself and writes no record of that",
        )],
        ..ANY
    },
    Rule {
        resources: &["persistentvolumes"],
        verbs: &["list", "watch", "patch"],
        why: "knows where volumes are kept and since when, finds those of a sandbox, and has them deleted with it",
        needed_by: &[
            "src/commands/operator/watched.rs",
            "src/sandbox/remove.rs",
            "src/sandbox/leftovers.rs",
            "src/source/list.rs",
        ],
        ..ANY
    },
    Rule {
        groups: &["snapshot.storage.k8s.io"],
        resources: &["volumesnapshotcontents"],
        verbs: &["list", "delete"],
        why: "finds what Velero made of the snapshots of a backup for a sandbox, and removes it with the sandbox",
        needed_by: &["src/sandbox/snapshots.rs"],
        rarely: &[("delete", "a backup with CSI snapshots is restored")],
        ..ANY
    },
    Rule {
        groups: &["events.k8s.io"],
        resources: &["events"],
        verbs: &["create", "patch"],
        why: "tells the story of a run",
        needed_by: &["src/telemetry/events.rs"],
        rarely: &[("patch", "counts an event that happens again")],
        ..ANY
    },
    Rule {
        groups: &["authentication.k8s.io"],
        resources: &["tokenreviews"],
        verbs: &["create"],
        when: Some(Reviews),
        why: "knows who asks for metrics or calls the API",
        needed_by: &["src/access/mod.rs"],
        rarely: &[("create", "somebody reads metrics or calls the API")],
        ..ANY
    },
    Rule {
        groups: &["authorization.k8s.io"],
        resources: &["subjectaccessreviews"],
        verbs: &["create"],
        when: Some(Reviews),
        why: "knows whether they may",
        needed_by: &["src/access/mod.rs"],
        rarely: &[("create", "somebody reads metrics or calls the API")],
        ..ANY
    },
    Rule {
        groups: ADMISSION,
        resources: WEBHOOKS,
        verbs: &["get", "list", "watch"],
        name: Some(WebhookConfiguration),
        why: "is ready only when the API server trusts its certificate",
        needed_by: &["certs/src/cluster.rs", "certs/src/watches.rs"],
        rarely: &[("get", "another replica wrote at the same moment")],
        ..ANY
    },
    Rule {
        groups: ADMISSION,
        resources: WEBHOOKS,
        verbs: &["patch"],
        name: Some(WebhookConfiguration),
        when: Some(OwnCertificate),
        why: "publishes its certificate authority",
        needed_by: &["certs/src/cluster.rs"],
        ..ANY
    },
    Rule {
        resources: &[
            "configmaps",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "replicationcontrollers",
            "resourcequotas",
            "services",
            "serviceaccounts",
        ],
        ..SOURCE
    },
    Rule {
        resources: &["secrets"],
        when: Some(CompareSecrets),
        rarely: &[("list", "the chart's value completeness.secrets allows it")],
        ..SOURCE
    },
    Rule {
        groups: &[GROUP_OF_EACH],
        resources: &[PLURAL_OF_EACH],
        when: Some(CompareResources),
        rarely: &[(
            "list",
            "the chart's value completeness.customResources names kinds",
        )],
        ..SOURCE
    },
    Rule {
        groups: &["apps"],
        resources: &["daemonsets", "deployments", "replicasets", "statefulsets"],
        ..SOURCE
    },
    Rule {
        groups: &["autoscaling"],
        resources: &["horizontalpodautoscalers"],
        ..SOURCE
    },
    Rule {
        groups: &["batch"],
        resources: &["cronjobs"],
        ..SOURCE
    },
    Rule {
        groups: &["networking.k8s.io"],
        resources: &["ingresses", "networkpolicies"],
        ..SOURCE
    },
    Rule {
        groups: &["policy"],
        resources: &["poddisruptionbudgets"],
        ..SOURCE
    },
    Rule {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "rolebindings"],
        ..SOURCE
    },
];
