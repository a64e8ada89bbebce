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
    Fleet,
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
fn backed_up(namespaces: &[Arc<PartialObjectMeta<Namespace>>], operator: &str, velero: &str) -> Vec<String> {
    namespaces
        .iter()
        .filter(|namespace| !names::is_managed(namespace.labels()))
        .map(|namespace| namespace.name_any())
        .filter(|name| !name.starts_with("kube-") && name != operator && name != velero)
        .collect()
}

/// A namespace and what is known of it, not yet in words.
#[derive(Default)]
struct Known<'a> {
    tests: Vec<&'a FleetTest>,
    /// The newest backup that holds it, and when that was taken.
    backup: Option<(String, Option<Timestamp>)>,
    verdicts: Verdicts,
}

/// Each namespace; those without proof first, then the oldest proof.
fn known<'a>(
    index: &Index,
    tests: &'a [FleetTest],
    backups: &[Arc<Backup>],
    namespaces: &'a [String],
    view: &View,
) -> Vec<(Source<'a>, Known<'a>)> {
    let mut all: BTreeMap<Source<'a>, Known<'a>> = BTreeMap::new();
    for test in tests {
        for source in used(&test.spec, Usage::Source) {
            let known = all.entry((source, test.cluster.as_ref())).or_default();
            known.tests.push(test);
        }
    }
    if view.clusters.holds(None) {
        let newest = choose::newest_by_namespace(backups.iter().map(AsRef::as_ref), namespaces);
        for (name, backup) in newest {
            // Who else has backups is nothing for somebody who looks at one namespace, and whether tests of others prove
            // them is not known there.
            if view.scope == Scope::All || all.contains_key(&(name, None)) {
                all.entry((name, None)).or_default().backup = Some(backup);
            }
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    for ((name, cluster), known) in &mut all {
        let runs = index.of_source(*cluster, name).rev();
        let in_view = runs.filter(|run| view.holds(&run.name));
        known.verdicts = Verdicts::of(in_view.filter_map(|run| run.ended));
    }
    all.sort_by_key(|(_, known)| known.verdicts.passed);
    all
}

fn row(((name, cluster), known): (Source<'_>, Known<'_>), view: &View) -> CoveredNamespace {
    let proven = known.verdicts.passed;
    let age = proven.map(|at| ago(view.now, at));
    let tests: BTreeSet<String> = known.tests.iter().map(|test| test.key().to_string()).collect();
    let taken = known.backup.as_ref().and_then(|(_, taken)| *taken);
    CoveredNamespace {
        namespace: name.to_owned(),
        standing: known.verdicts.proof(!tests.is_empty()),
        tests: tests.into_iter().collect(),
        backup: known.backup.map(|(backup, _)| backup),
        backup_taken_at: taken.map(moment),
        proven_at: proven.map(moment),
        proof_age: age.map(duration_text),
        proof_age_seconds: age.map(|age| age.as_secs()),
        cluster: cluster.cloned(),
    }
}

pub(super) fn coverage(
    index: &Index,
    tests: &[FleetTest],
    backups: &[Arc<Backup>],
    namespaces: &[String],
    view: &View,
) -> Coverage {
    let all = known(index, tests, backups, namespaces, view).into_iter();
    let rows: Vec<CoveredNamespace> = all.map(|known| row(known, view)).collect();
    let held = || rows.iter().filter(|row| row.backup.is_some());
    Coverage {
        with_backup: held().count(),
        tested: held().filter(|row| !row.tests.is_empty()).count(),
        proven: held().filter(|row| row.proven_at.is_some()).count(),
        namespaces: rows,
    }
}

/// Namespaces with a backup, and those of them without a recent proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unproven {
    /// Namespaces with a backup.
    pub with_backup: usize,
    /// Those of them without a recent proof.
    pub open: usize,
    /// The first of these: those that never had one, then the oldest.
    pub first: Vec<CoveredNamespace>,
}

/// Whether a proof of this age is not older than so many days.
fn is_recent(age_seconds: u64, days: u32) -> bool {
    age_seconds <= u64::from(days) * 86_400
}

impl CoveredNamespace {
    /// Whether its proof is not older than so many days.
    #[must_use]
    pub fn is_proven_within(&self, days: u32) -> bool {
        self.proof_age_seconds.is_some_and(|age| is_recent(age, days))
    }
}

/// Without a proof of so many days; rows of the first ones only, as each has texts to be made.
fn unproven(known: Vec<(Source<'_>, Known<'_>)>, (days, most): (u32, usize), view: &View) -> Unproven {
    let mut found = Unproven::default();
    for known in known {
        let (passed, is_held) = (known.1.verdicts.passed, known.1.backup.is_some());
        if !is_held {
            continue;
        }
        found.with_backup += 1;
        if passed.is_some_and(|at| is_recent(ago(view.now, at).as_secs(), days)) {
            continue;
        }
        found.open += 1;
        if found.first.len() < most {
            found.first.push(row(known, view));
        }
    }
    found
}

impl Fleet {
    /// Namespaces with a backup or a test, and the age of their proof; the unproven first.
    #[must_use]
    pub fn coverage(&self, view: &View) -> Coverage {
        self.known_of(view, |index, tests, backups, namespaces| {
            coverage(index, tests, backups, namespaces, view)
        })
    }

    /// Namespaces with a backup and without a proof of so many days; at most so many of them by name.
    #[must_use]
    pub fn unproven(&self, days: u32, most: usize, view: &View) -> Unproven {
        self.known_of(view, |index, tests, backups, namespaces| {
            let known = known(index, tests, backups, namespaces, view);
            unproven(known, (days, most), view)
        })
    }

    fn known_of<T>(
        &self,
        view: &View,
        of: impl FnOnce(&Index, &[FleetTest], &[Arc<Backup>], &[String]) -> T,
    ) -> T {
        let (tests, backups) = (self.tests_of(view), self.backups.state());
        let namespaces = backed_up(&self.namespaces.state(), &self.namespace, &self.velero_namespace);
        self.runs.read(|index| of(index, &tests, &backups, &namespaces))
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
    fn of_those_without_a_recent_proof_the_first_are_named_and_all_are_counted() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(95)),
            report("ops", "blog", 4, "pass", Some(95)),
        ]);
        let backup: Backup = read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" }, "spec": {},
            "status": { "phase": "Completed", "startTimestamp": "2026-01-05T01:00:00Z" },
        }));
        let (backups, namespaces) = (shared([backup]), ["shop", "blog", "wiki"].map(str::to_owned));
        let (tests, now) = (fleet_tests([test("ops", "gone")]), view(Tier::Community, 6));
        let seen = |days, most| {
            let found = log.read(|index| {
                let known = known(index, &tests, &backups, &namespaces, &now);
                unproven(known, (days, most), &now)
            });
            let first = found
                .first
                .into_iter()
                .map(|row| row.namespace)
                .collect::<Vec<_>>();
            (found.with_backup, found.open, first.join(" "))
        };
        assert_eq!(seen(30, 9), (3, 1, "wiki".to_owned()));
        assert_eq!(
            seen(3, 9),
            (3, 2, "wiki shop".to_owned()),
            "what no backup holds is not asked for"
        );
        assert_eq!(seen(1, 2), (3, 3, "wiki shop".to_owned()));
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
