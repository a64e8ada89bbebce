//! The rights themselves.

use super::{
    GROUP_OF_EACH,
    ObjectName::{
        AuthoritySecrets, CertificateSecret, Deployment, Lease, LicenseSecret, OwnReceivers, Receivers,
        SandboxRole, WebhookConfiguration,
    },
    PLURAL_OF_EACH, Rule,
    Setting::{
        self, CompareResources, CompareSecrets, Exec, LeaderElection, OwnCertificate, Reviews, WritesTests,
    },
};

/// What most rules leave open.
const ANY: Rule = Rule {
    groups: &[""],
    resources: &[],
    verbs: &[],
    name: None,
    when: None,
    why: "",
    needed_by: &[],
    rarely: &[],
};

const KYMAROS: &[&str] = &["restore.kymaros.io"];
const VELERO_GROUP: &[&str] = &["velero.io"];
const ADMISSION: &[&str] = &["admissionregistration.k8s.io"];
const WEBHOOKS: &[&str] = &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];

/// To know what a backup should hold.
const SOURCE: Rule = Rule {
    verbs: &["list"],
    why: "holds a backup against what its source has: names and times only",
    needed_by: &["src/source/list.rs"],
    ..ANY
};

/// It can neither read a Secret, unless the chart's value `completeness.secrets` says so, nor touch a workload with
/// these. Kinds of other products it lists only when `completeness.customResources` names them.
pub(super) const CLUSTER: &[Rule] = &[
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
            "src/commands/operator/watched.rs",
        ],
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
            "src/source/list.rs",
        ],
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
            "persistentvolumeclaims",
            "pods",
            "replicationcontrollers",
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
        resources: &["cronjobs", "jobs"],
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

pub(super) const SANDBOX: &[Rule] = &[
    Rule {
        groups: &["*"],
        resources: &["*"],
        verbs: &["get", "list", "watch", "patch"],
        why: "sees what came up, looks for objects of any kind, takes foreign finalizers off copies",
        needed_by: &[
            "src/workloads/watch.rs",
            "src/checks/resource_exists.rs",
            "src/sandbox/remove.rs",
        ],
        ..ANY
    },
    Rule {
        resources: &["pods"],
        verbs: &["deletecollection"],
        why: "removes it",
        needed_by: &["src/sandbox/remove.rs"],
        ..ANY
    },
    Rule {
        groups: &["apps"],
        resources: &["deployments", "statefulsets", "daemonsets", "replicasets"],
        verbs: &["deletecollection"],
        why: "removes it",
        needed_by: &["src/sandbox/remove.rs"],
        ..ANY
    },
    Rule {
        groups: &["batch"],
        resources: &["cronjobs", "jobs"],
        verbs: &["deletecollection"],
        why: "removes it",
        needed_by: &["src/sandbox/remove.rs"],
        ..ANY
    },
    Rule {
        resources: &["pods/portforward"],
        verbs: &["get", "create"],
        why: "checks over HTTP and TCP",
        needed_by: &["src/checks/http.rs", "src/checks/tcp.rs"],
        rarely: &[(
            "create",
            "from 1.35 Kubernetes asks for it beside get, and records get alone",
        )],
        ..ANY
    },
    Rule {
        resources: &["pods/exec"],
        verbs: &["get", "create"],
        when: Some(Exec),
        why: "checks by a command",
        needed_by: &["src/checks/exec.rs"],
        rarely: &[(
            "create",
            "from 1.35 Kubernetes asks for it beside get, and records get alone",
        )],
        ..ANY
    },
];

pub(super) const VELERO: &[Rule] = &[
    Rule {
        groups: VELERO_GROUP,
        resources: &["backups"],
        verbs: &["list", "watch"],
        why: "chooses a backup",
        needed_by: &["src/commands/operator/watched.rs", "src/run/observe.rs"],
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["restores"],
        verbs: &["get", "list", "watch", "create", "delete"],
        why: "restores into sandboxes, and steps aside for restores of others",
        needed_by: &[
            "src/run/act.rs",
            "src/sandbox/remove.rs",
            "src/commands/operator/watched.rs",
        ],
        rarely: &[("get", "whose Restore it is that has the name of ours")],
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["downloadrequests"],
        verbs: &["list", "watch", "create", "delete"],
        why: "reads what backups and restores hold",
        needed_by: &["src/velero/artifacts.rs", "src/sandbox/remove.rs"],
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["backupstoragelocations"],
        verbs: &["get", "list", "watch"],
        why: "knows which certificates a storage location is trusted by, and tells people which is the default",
        needed_by: &["src/velero/location.rs", "src/commands/operator/watched.rs"],
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["schedules"],
        verbs: &["list", "watch"],
        why: "tells people what makes backups, and which tests prove them",
        needed_by: &["src/commands/operator/watched.rs"],
        ..ANY
    },
    Rule {
        resources: &["secrets"],
        verbs: &["get"],
        name: Some(AuthoritySecrets),
        when: Some(Setting::AuthoritySecrets),
        why: "trusts the authority of a storage location",
        needed_by: &["src/velero/location.rs"],
        rarely: &[(
            "get",
            "a storage location names one, and the chart's value velero.caSecrets too",
        )],
        ..ANY
    },
    Rule {
        groups: VELERO_GROUP,
        resources: &["podvolumerestores", "datadownloads"],
        verbs: &["list", "patch"],
        why: "knows whether the data of volumes arrived, and stops the data movers of a run that ends early",
        needed_by: &["src/velero/movers.rs"],
        rarely: &[("patch", "a run ends while data moves")],
        ..ANY
    },
    Rule {
        groups: &["apps"],
        resources: &["deployments"],
        verbs: &["list", "watch"],
        why: "finds the account that Velero's server works as",
        needed_by: &["src/commands/operator/watched.rs"],
        ..ANY
    },
];

pub(super) const OWN: &[Rule] = &[
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

pub(super) const RECEIVERS: &[Rule] = &[Rule {
    resources: &["secrets"],
    verbs: &["get"],
    name: Some(Receivers),
    why: "sends to the receivers of notifications that tests name",
    needed_by: &["src/notify/secret.rs"],
    rarely: &[("get", "somebody is told of a run")],
    ..ANY
}];

const UNINSTALLS: &[&str] = &[
    "src/uninstall/mod.rs",
    "src/uninstall/release.rs",
    "src/uninstall/sandboxes.rs",
];

pub(super) const UNINSTALL: &[Rule] = &[
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

pub(super) const UNINSTALL_OWN: &[Rule] = &[
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
