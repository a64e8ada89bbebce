//! In Velero's namespace.

use super::{ANY, VELERO_GROUP};
use crate::rbac::{ObjectName::AuthoritySecrets, Rule, Setting};

pub(in crate::rbac) const VELERO: &[Rule] = &[
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
            "src/sandbox/leftovers.rs",
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
        needed_by: &["src/velero/artifacts.rs", "src/sandbox/leftovers.rs"],
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
