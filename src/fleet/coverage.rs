//! Which namespaces are proven: those with a backup or a test, and when a run of them last passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{ResourceExt, core::PartialObjectMeta};
use kymaros_crds::{RestoreReport, RestoreTest, RunResult, domain::Tier, names};
use kymaros_webhooks::validate::{Home, Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cluster::{ClusterName, FleetTest},
    moments::{ago, duration_text, moment},
    runs::{Index, RunLog},
    view::{Scope, View},
};
use crate::{
    history::Ended,
    velero::{Backup, choose},
};

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
    /// What follows for its backups.
    pub standing: Proof,
    /// Tests that restore it, as `namespace/name`, with `cluster/` before it for those of another cluster.
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
    /// Its cluster; none: this one. Backups of other clusters are not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
}

/// What is proven of the backups of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// The latest verdict is that it can be restored.
    Proven,
    /// The latest verdict is that it cannot, or with losses only.
    Failing,
    /// There is a test, and no verdict about a backup yet.
    Undecided,
    /// There is no test. An old verdict proves nothing when nobody looks any more.
    Untested,
}

/// A namespace that tests restore, and its cluster.
type Source<'a> = (&'a str, Option<&'a ClusterName>);

/// When a run of a namespace last passed, and the latest verdict that says something about a backup.
#[derive(Clone, Copy, Debug, Default)]
struct Verdicts {
    passed: Option<Timestamp>,
    last: Option<RunResult>,
}

impl Verdicts {
    /// Of verdicts about backups, the newest first.
    fn of(mut ended: impl Iterator<Item = Ended>) -> Self {
        let last = ended.next();
        let passed = last
            .into_iter()
            .chain(ended)
            .find(|ended| ended.result == RunResult::Pass);
        Self {
            passed: passed.map(|ended| ended.at),
            last: last.map(|ended| ended.result),
        }
    }

    fn proof(&self, is_tested: bool) -> Proof {
        match self.last {
            _ if !is_tested => Proof::Untested,
            None => Proof::Undecided,
            Some(RunResult::Pass) => Proof::Proven,
            Some(_) => Proof::Failing,
        }
    }
}

/// Namespaces of applications: not those of Kubernetes, Velero and Kymaros, and no sandboxes.
pub(super) fn backed_up(
    namespaces: &[Arc<PartialObjectMeta<Namespace>>],
    operator: &str,
    velero: &str,
) -> Vec<String> {
    namespaces
        .iter()
        .filter(|namespace| !names::is_managed(namespace.labels()))
        .map(|namespace| namespace.name_any())
        .filter(|name| !name.starts_with("kube-") && name != operator && name != velero)
        .collect()
}

pub(super) fn coverage(
    index: &Index,
    tests: &[FleetTest],
    backups: &[Arc<Backup>],
    namespaces: &[String],
    view: &View,
) -> Coverage {
    let mut of_namespace: BTreeMap<Source<'_>, BTreeSet<String>> = BTreeMap::new();
    for test in tests {
        let name = test.key().to_string();
        for source in used(&test.spec, Usage::Source) {
            let tests = of_namespace.entry((source, test.cluster.as_ref())).or_default();
            tests.insert(name.clone());
        }
    }
    let mut newest = choose::newest_by_namespace(backups.iter().map(AsRef::as_ref), namespaces);
    if !view.clusters.holds(None) {
        newest.clear();
    }
    // Who else has backups is nothing for somebody who looks at one namespace, and whether tests of others prove them
    // is not known there.
    if view.scope != Scope::All {
        newest.retain(|name, _| of_namespace.contains_key(&(*name, None)));
    }
    let all: BTreeSet<Source<'_>> = of_namespace
        .keys()
        .copied()
        .chain(newest.keys().map(|name| (*name, None)))
        .collect();
    let mut rows: Vec<(Option<Timestamp>, CoveredNamespace)> = all
        .into_iter()
        .map(|(name, cluster)| {
            let source = (name, cluster);
            let runs = index.of_source(cluster, name).rev();
            let verdicts = Verdicts::of(
                runs.filter(|run| view.holds(&run.name))
                    .filter_map(|run| run.ended),
            );
            let proven = verdicts.passed;
            let tests: Vec<String> = of_namespace.remove(&source).into_iter().flatten().collect();
            let backup = newest.get(name).filter(|_| cluster.is_none());
            let age = proven.map(|at| ago(view.now, at));
            let row = CoveredNamespace {
                namespace: name.to_owned(),
                backup: backup.map(|(backup, _)| backup.clone()),
                backup_taken_at: backup.and_then(|(_, taken)| *taken).map(moment),
                standing: verdicts.proof(!tests.is_empty()),
                tests,
                proven_at: proven.map(moment),
                proof_age: age.map(duration_text),
                proof_age_seconds: age.map(|age| age.as_secs()),
                cluster: cluster.cloned(),
            };
            (proven, row)
        })
        .collect();
    rows.sort_by(|(a, one), (b, other)| {
        (a, &one.namespace, &one.cluster).cmp(&(b, &other.namespace, &other.cluster))
    });
    let rows: Vec<CoveredNamespace> = rows.into_iter().map(|(_, row)| row).collect();
    let held = || rows.iter().filter(|row| row.backup.is_some());
    Coverage {
        with_backup: held().count(),
        tested: held().filter(|row| !row.tests.is_empty()).count(),
        proven: held().filter(|row| row.proven_at.is_some()).count(),
        namespaces: rows,
    }
}

/// The same from lists, for whoever keeps no index. `homes` are where the operator and Velero run.
#[must_use]
pub fn coverage_of_lists(
    tests: Vec<RestoreTest>,
    reports: Vec<RestoreReport>,
    backups: Vec<Backup>,
    namespaces: Vec<PartialObjectMeta<Namespace>>,
    homes: Home<'_>,
    now: Timestamp,
) -> Coverage {
    fn shared<K>(all: Vec<K>) -> Vec<Arc<K>> {
        all.into_iter().map(Arc::new).collect()
    }
    let log = RunLog::of_list(reports);
    let namespaces = backed_up(&shared(namespaces), homes.operator, homes.velero);
    let view = View::new(Tier::Community, Scope::All, now);
    let tests: Vec<FleetTest> = shared(tests).into_iter().map(FleetTest::here).collect();
    log.read(|index| coverage(index, &tests, &shared(backups), &namespaces, &view))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{at, fleet_tests, log, read, report, shared, test, view};

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
        let tests = fleet_tests([test("ops", "shop"), test("ops", "blog"), test("ops", "gone")]);
        let now = view(Tier::Community, 6);
        let seen = log.read(|index| coverage(index, &tests, &shared([backup]), &namespaces, &now));
        let names: Vec<&str> = seen.namespaces.iter().map(|row| row.namespace.as_str()).collect();
        assert_eq!(names, ["gone", "wiki", "shop", "blog"]);
        let standing: Vec<Proof> = seen.namespaces.iter().map(|row| row.standing).collect();
        assert_eq!(
            standing,
            [Proof::Undecided, Proof::Untested, Proof::Failing, Proof::Proven]
        );
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
    fn whoever_looks_at_one_namespace_sees_what_its_tests_restore() {
        let backup: Backup = read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" }, "spec": {},
            "status": { "phase": "Completed", "startTimestamp": "2026-01-05T01:00:00Z" },
        }));
        let namespaces = ["shop", "blog"].map(str::to_owned);
        let log = log([report("ops", "shop", 1, "pass", Some(95))]);
        let tests = fleet_tests([test("ops", "shop")]);
        let seen = |scope| {
            let view = View::new(Tier::Community, scope, at(6));
            log.read(|index| coverage(index, &tests, &shared([backup.clone()]), &namespaces, &view))
        };
        let narrow = seen(Scope::Namespace("ops".into()));
        let names: Vec<&str> = narrow
            .namespaces
            .iter()
            .map(|row| row.namespace.as_str())
            .collect();
        assert_eq!((names, narrow.with_backup, narrow.proven), (vec!["shop"], 1, 1));
        assert_eq!(narrow.namespaces[0].backup.as_deref(), Some("nightly"));
        assert_eq!(seen(Scope::All).with_backup, 2);
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
