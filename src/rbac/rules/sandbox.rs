//! In sandboxes.

use super::ANY;
use crate::rbac::{Rule, Setting::Exec};

pub(in crate::rbac) const SANDBOX: &[Rule] = &[
    Rule {
        groups: &["*"],
        resources: &["*"],
        verbs: &["get", "list", "watch", "patch"],
        why: "sees what came up, looks for objects of any kind, takes foreign finalizers off copies",
        needed_by: &[
            "src/workloads/watch.rs",
            "src/checks/resource_exists.rs",
            "src/sandbox/remove.rs",
            "src/sandbox/untamed.rs",
        ],
        ..ANY
    },
    Rule {
        resources: &["pods", "replicationcontrollers"],
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
