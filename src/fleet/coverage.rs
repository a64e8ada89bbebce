//! Which namespaces are proven: those with a backup or a test, and when a run of them last passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{ResourceExt, core::PartialObjectMeta};
use kymaros_crds::{RestoreTest, RunResult, names};
use kymaros_webhooks::validate::{Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    moments::{ago, duration_text, moment},
    runs::Index,
    view::View,
};
use crate::velero::{Backup, choose};

/// What is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Namespaces with a backup that can be restored.
    pub with_backup: usize,
    /// Those of them that a test restores.
    pub tested: usize,
    /// Those of them with a run that passed, ever.
    pub proven: usize,
    /// Each namespace; those without proof first, then the oldest proof.
    pub namespaces: Vec<CoveredNamespace>,
}

/// A namespace and its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoveredNamespace {
    /// The namespace.
    pub namespace: String,
    /// The newest backup that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// When that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_taken_at: Option<String>,
    /// Tests that restore it, as `namespace/name`.
    pub tests: Vec<String>,
    /// When a run that restored it last passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<String>,
    /// How long ago that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_age: Option<String>,
    /// That in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_age_seconds: Option<u64>,
}

/// Namespaces of applications: not those of Kubernetes, Velero and Kymaros, and no sandboxes.
pub(super) fn backed_up(
    namespaces: &[Arc<PartialObjectMeta<Namespace>>],
    operator: &str,
    velero: &str,
) -> Vec<String> {
    let is_sandbox = |namespace: &PartialObjectMeta<Namespace>| {
        namespace
            .labels()
            .get(names::MANAGED_BY_LABEL)
            .is_some_and(|by| by == names::MANAGED_BY)
    };
    namespaces
        .iter()
        .filter(|namespace| !is_sandbox(namespace))
        .map(|namespace| namespace.name_any())
        .filter(|name| !name.starts_with("kube-") && name != operator && name != velero)
        .collect()
}

pub(super) fn coverage(
    index: &Index,
    tests: &[Arc<RestoreTest>],
    backups: &[Arc<Backup>],
    namespaces: &[String],
    view: &View,
) -> Coverage {
    let mut of_namespace: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for test in tests {
        let name = format!("{}/{}", test.namespace().unwrap_or_default(), test.name_any());
        for source in used(&test.spec, Usage::Source) {
            of_namespace.entry(source).or_default().insert(name.clone());
        }
    }
    let mut proofs: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for run in index.all().filter(|run| view.scope.holds(&run.name.namespace)) {
        let passed = run.ended.filter(|ended| ended.result == RunResult::Pass);
        for source in run.sources.iter().filter(|_| passed.is_some()) {
            let newest = proofs.entry(source).or_insert(Timestamp::MIN);
            *newest = passed.map_or(*newest, |ended| ended.at.max(*newest));
        }
    }
    let newest = choose::newest_by_namespace(backups.iter().map(AsRef::as_ref), namespaces);
    let all: BTreeSet<&str> = of_namespace
        .keys()
        .copied()
        .chain(newest.keys().copied())
        .collect();
    let mut rows: Vec<(Option<Timestamp>, CoveredNamespace)> = all
        .into_iter()
        .map(|name| {
            let proven = proofs.get(name).copied();
            let backup = newest.get(name);
            let age = proven.map(|at| ago(view.now, at));
            let row = CoveredNamespace {
                namespace: name.to_owned(),
                backup: backup.map(|(backup, _)| backup.clone()),
                backup_taken_at: backup.and_then(|(_, taken)| *taken).map(moment),
                tests: of_namespace.remove(name).into_iter().flatten().collect(),
                proven_at: proven.map(moment),
                proof_age: age.map(duration_text),
                proof_age_seconds: age.map(|age| age.as_secs()),
            };
            (proven, row)
        })
        .collect();
    rows.sort_by(|(a, one), (b, other)| (a, &one.namespace).cmp(&(b, &other.namespace)));
    let rows: Vec<CoveredNamespace> = rows.into_iter().map(|(_, row)| row).collect();
    let held = || rows.iter().filter(|row| row.backup.is_some());
    Coverage {
        with_backup: held().count(),
        tested: held().filter(|row| !row.tests.is_empty()).count(),
        proven: held().filter(|row| row.proven_at.is_some()).count(),
        namespaces: rows,
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{log, read, report, shared, test, view};

    #[test]
    fn the_unproven_come_first() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(95)),
            report("ops", "shop", 5, "fail", Some(10)),
            report("ops", "blog", 4, "pass", Some(95)),
        ]);
        let backup: Backup = read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" }, "spec": { "excludedNamespaces": ["cache"] },
            "status": { "phase": "Completed", "startTimestamp": "2026-01-05T01:00:00Z" },
        }));
        let namespaces = ["shop", "blog", "wiki", "cache"].map(str::to_owned);
        let tests = shared([test("ops", "shop"), test("ops", "blog"), test("ops", "gone")]);
        let now = view(Tier::Community, 6);
        let seen = log.read(|index| coverage(index, &tests, &shared([backup]), &namespaces, &now));
        let names: Vec<&str> = seen.namespaces.iter().map(|row| row.namespace.as_str()).collect();
        assert_eq!(names, ["gone", "wiki", "shop", "blog"]);
        assert_eq!((seen.with_backup, seen.tested, seen.proven), (3, 2, 2));
        let shop = &seen.namespaces[2];
        assert_eq!(shop.proven_at.as_deref(), Some("2026-01-02T12:05:00Z"));
        assert_eq!(
            (shop.proof_age.as_deref(), shop.backup.as_deref()),
            (Some("119h55m"), Some("nightly"))
        );
        assert_eq!(seen.namespaces[0].backup, None);
    }

    #[test]
    fn namespaces_that_are_no_application_need_no_proof() {
        let named = |name: &str, by: Option<&str>| -> PartialObjectMeta<Namespace> {
            read(
                json!({ "metadata": { "name": name, "labels": { "kymaros.io/managed-by": by.unwrap_or("helm") } } }),
            )
        };
        let all = shared([
            named("shop", None),
            named("kube-system", None),
            named("velero", None),
            named("kymaros-system", None),
            named("rp-test-shop-1", Some("kymaros")),
        ]);
        assert_eq!(backed_up(&all, "kymaros-system", "velero"), ["shop"]);
    }
}
