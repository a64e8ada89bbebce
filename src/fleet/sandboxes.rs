//! What tests get where they leave something open, and the sandboxes there are.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{ResourceExt, core::PartialObjectMeta, runtime::reflector::Store};
use kymaros_crds::{Isolation, RestoreReport, domain::duration, names};
use kymaros_webhooks::default::Defaults;
use schemars::JsonSchema;
use serde::Serialize;

/// Settings for what tests leave open, under the names of 0.6.9.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxDefaults {
    /// Start of every sandbox's name.
    pub namespace_prefix: String,
    /// Life of a sandbox.
    pub ttl: String,
    /// Who may talk to whom.
    pub network_isolation: Isolation,
    /// `cpu`, `memory`, `storage` and `pods`.
    pub resource_quota: BTreeMap<&'static str, String>,
}

/// Sandboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sandboxes {
    /// What tests get where they leave something open.
    pub defaults: SandboxDefaults,
    /// Sandboxes of runs of which there is a report.
    pub active_sandboxes: usize,
    /// Sandboxes that no report speaks for; the operator removes them by itself.
    pub orphaned_sandboxes: usize,
}

type Metadata = PartialObjectMeta<Namespace>;

pub(super) fn sandboxes(
    defaults: &Defaults,
    namespaces: &[Arc<Metadata>],
    reports: &Store<RestoreReport>,
) -> Sandboxes {
    let all = namespaces
        .iter()
        .filter(|namespace| run_of(namespace).is_some())
        .count();
    let orphaned = orphans(namespaces, reports).len();
    let quota = [
        ("cpu", defaults.cpu.clone()),
        ("memory", defaults.memory.clone()),
        ("storage", defaults.storage.clone()),
        ("pods", defaults.pods.to_string()),
    ];
    Sandboxes {
        defaults: SandboxDefaults {
            namespace_prefix: defaults.namespace_prefix.clone(),
            ttl: duration::format(defaults.ttl),
            network_isolation: defaults.isolation,
            resource_quota: quota.into(),
        },
        active_sandboxes: all - orphaned,
        orphaned_sandboxes: orphaned,
    }
}

/// Sandboxes that no report speaks for and that are not going yet: their names and the UIDs of their runs.
#[must_use]
pub fn orphans(namespaces: &[Arc<Metadata>], reports: &Store<RestoreReport>) -> Vec<(String, String)> {
    let mut marked: Vec<(String, String)> = namespaces
        .iter()
        .filter(|namespace| namespace.metadata.deletion_timestamp.is_none())
        .filter_map(|namespace| Some((namespace.name_any(), run_of(namespace)?.to_owned())))
        .collect();
    marked.retain(|(_, uid)| {
        reports
            .find(|report| report.metadata.uid.as_ref() == Some(uid))
            .is_none()
    });
    marked
}

fn run_of(namespace: &Metadata) -> Option<&str> {
    let labels = namespace.labels();
    let is_ours = labels
        .get(names::MANAGED_BY_LABEL)
        .is_some_and(|by| by == names::MANAGED_BY);
    labels
        .get(names::RUN_UID_LABEL)
        .filter(|_| is_ours)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{read, report, shared, store};

    #[test]
    fn a_sandbox_without_a_report_is_an_orphan() {
        let sandbox = |name: &str, uid: &str| -> Metadata {
            read(json!({ "metadata": { "name": name, "labels": {
                "kymaros.io/managed-by": "kymaros", "kymaros.io/run-uid": uid } } }))
        };
        let reports = store([report("ops", "shop", 1, "", None)]);
        let foreign: Metadata =
            read(json!({ "metadata": { "name": "shop", "labels": { "kymaros.io/run-uid": "x" } } }));
        let all = shared([sandbox("a", "ops-shop-1"), sandbox("b", "gone"), foreign]);
        let seen = sandboxes(&Defaults::default(), &all, &reports);
        assert_eq!((seen.active_sandboxes, seen.orphaned_sandboxes), (1, 1));
        assert_eq!(orphans(&all, &reports), [("b".to_owned(), "gone".to_owned())]);
        assert_eq!(
            serde_json::to_value(&seen.defaults).unwrap(),
            json!({ "namespacePrefix": "rp-test", "ttl": "30m", "networkIsolation": "strict",
                    "resourceQuota": { "cpu": "2", "memory": "4Gi", "storage": "10Gi", "pods": "20" } })
        );
    }
}
