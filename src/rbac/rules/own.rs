//! In the operator's own namespace, and where tests keep the Secrets of their receivers.

use super::ANY;
use crate::rbac::{
    ObjectName::{CertificateSecret, Lease, LicenseSecret, OwnReceivers, Receivers},
    Rule,
    Setting::{self, LeaderElection, OwnCertificate},
};

pub(in crate::rbac) const OWN: &[Rule] = &[
    Rule {
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["create"],
        when: Some(LeaderElection),
        why: "the replicas agree who acts; admission fences the name",
        needed_by: &["src/leader/lease.rs"],
        ..ANY
    },
    Rule {
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["get", "list", "watch", "update"],
        name: Some(Lease),
        when: Some(LeaderElection),
        why: "the replicas agree who acts",
        needed_by: &["src/leader/lease.rs", "src/leader/contend.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["create"],
        when: Some(OwnCertificate),
        why: "keeps the certificate of its webhooks; admission fences the name",
        needed_by: &["certs/src/cluster.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["get", "list", "watch"],
        name: Some(CertificateSecret),
        why: "serves with the certificate in it",
        needed_by: &["certs/src/cluster.rs", "certs/src/watches.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["update"],
        name: Some(CertificateSecret),
        when: Some(OwnCertificate),
        why: "renews the certificate in it",
        needed_by: &["certs/src/cluster.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["list", "watch"],
        name: Some(LicenseSecret),
        why: "reads the license",
        needed_by: &["src/license/watch.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["get"],
        name: Some(OwnReceivers),
        when: Some(Setting::OwnReceivers),
        why: "sends to its own receivers of notifications",
        needed_by: &["src/notify/secret.rs"],
        rarely: &[("get", "somebody is told of a run")],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["list", "watch"],
        when: Some(Setting::Clusters),
        why: "finds the Secrets that name other clusters; no right is as narrow as a label, so it covers this namespace",
        needed_by: &["src/clusters/roster.rs"],
        rarely: &[
            ("list", "the chart's value clusters.enabled is true"),
            ("watch", "the chart's value clusters.enabled is true"),
        ],
        ..ANY
    },
];

pub(in crate::rbac) const RECEIVERS: &[Rule] = &[Rule {
    resources: &["secrets"],
    verbs: &["get"],
    name: Some(Receivers),
    why: "sends to the receivers of notifications that tests name",
    needed_by: &["src/notify/secret.rs"],
    rarely: &[("get", "somebody is told of a run")],
    ..ANY
}];
