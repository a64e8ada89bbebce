//! What tests get where they leave something open, and the sandboxes there are.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{ResourceExt, core::PartialObjectMeta, runtime::reflector::Store};
use kymaros_crds::{Isolation, domain::duration, names};
use kymaros_webhooks::default::Defaults;
use schemars::JsonSchema;
use serde::Serialize;

use super::view::Scope;
use crate::stored::StoredReport;

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
    reports: &Store<StoredReport>,
    scope: &Scope,
) -> Sandboxes {
    let (active, rest): (Vec<_>, Vec<_>) =
        runs(namespaces, scope).partition(|(_, uid)| has_report(reports, uid));
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
        active_sandboxes: active.len(),
        orphaned_sandboxes: rest.iter().filter(|(sandbox, _)| !is_going(sandbox)).count(),
    }
}

/// Sandboxes that no report speaks for and that are not going yet: their names and the UIDs of their runs.
pub(super) fn orphans(
    namespaces: &[Arc<Metadata>],
    reports: &Store<StoredReport>,
    scope: &Scope,
) -> Vec<(String, String)> {
    runs(namespaces, scope)
        .filter(|(sandbox, uid)| !is_going(sandbox) && !has_report(reports, uid))
        .map(|(sandbox, uid)| (sandbox.name_any(), uid.to_owned()))
        .collect()
}

/// The UID of the run that a namespace is a sandbox of.
#[must_use]
pub fn sandbox_of(namespace: &Metadata) -> Option<&str> {
    names::run_uid(namespace.labels())
}

/// Sandboxes of tests in these namespaces, each with the UID of its run.
fn runs<'a>(
    namespaces: &'a [Arc<Metadata>],
    scope: &'a Scope,
) -> impl Iterator<Item = (&'a Metadata, &'a str)> {
    let home = |namespace: &Metadata| namespace.labels().get(names::TEST_NAMESPACE_LABEL).cloned();
    namespaces
        .iter()
        .filter_map(|namespace| Some((namespace.as_ref(), sandbox_of(namespace)?)))
        .filter(move |(namespace, _)| scope.holds(&home(namespace).unwrap_or_default()))
}

fn has_report(reports: &Store<StoredReport>, uid: &str) -> bool {
    reports.find(|report| *report.uid == *uid).is_some()
}

fn is_going(sandbox: &Metadata) -> bool {
    sandbox.metadata.deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{read, report, shared, stored};

    fn sandbox(name: &str, home: &str, uid: &str, going: bool) -> Metadata {
        let labels = json!({ "kymaros.io/managed-by": "kymaros", "kymaros.io/run-uid": uid,
                             "kymaros.io/test-namespace": home });
        let going = going.then_some("2026-01-01T00:00:00Z");
        read(json!({ "metadata": { "name": name, "labels": labels, "deletionTimestamp": going } }))
    }

    #[test]
    fn a_sandbox_without_a_report_is_an_orphan_until_it_goes() {
        let reports = stored([report("ops", "shop", 1, "", None)]);
        let foreign: Metadata =
            read(json!({ "metadata": { "name": "shop", "labels": { "kymaros.io/run-uid": "x" } } }));
        let all = shared([
            sandbox("a", "ops", "ops-shop-1", true),
            sandbox("b", "dev", "gone", false),
            sandbox("c", "dev", "gone too", true),
            foreign,
        ]);
        let seen = |scope: &Scope| sandboxes(&Defaults::default(), &all, &reports, scope);
        let counts = |scope| {
            let seen = seen(&scope);
            (seen.active_sandboxes, seen.orphaned_sandboxes)
        };
        assert_eq!(counts(Scope::All), (1, 1));
        assert_eq!(counts(Scope::Namespace("ops".into())), (1, 0));
        assert_eq!(counts(Scope::Namespace("dev".into())), (0, 1));
        let orphans = |scope| orphans(&all, &reports, &scope);
        assert_eq!(orphans(Scope::All), [("b".to_owned(), "gone".to_owned())]);
        assert_eq!(orphans(Scope::Namespace("ops".into())), []);
        assert_eq!(
            serde_json::to_value(&seen(&Scope::All).defaults).unwrap(),
            json!({ "namespacePrefix": "rp-test", "ttl": "30m", "networkIsolation": "strict",
                    "resourceQuota": { "cpu": "2", "memory": "4Gi", "storage": "10Gi", "pods": "20" } })
        );
    }
}
