//! Which namespaces are proven to be restorable, and which only hope so: a pure function of what is stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use kymaros_crds::{RestoreReport, RestoreTest, RunResult};
use serde::Serialize;

use crate::{
    history::{Ended, sources},
    velero::{Backup, choose},
};

/// What is known of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Covered {
    /// The namespace.
    pub namespace: String,
    /// Whether it is there now; a test may restore one that is gone.
    pub exists: bool,
    /// What follows for its backups.
    pub standing: Standing,
    /// Tests that restore it, as `namespace/name`.
    pub tests: Vec<String>,
    /// The newest backup that Velero could restore it from.
    pub backup: Option<Newest>,
    /// When a run that restored it last passed, as stored reports say.
    pub proven_at: Option<Timestamp>,
    /// The latest verdict of a run that restored it.
    pub last: Option<Verdict>,
}

/// What follows for the backups of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// The latest verdict is that it can be restored.
    Proven,
    /// The latest verdict is that it cannot, or with losses only.
    Failing,
    /// There is a test, and no verdict about a backup yet.
    Undecided,
    /// There is a backup, and no test.
    Untested,
    /// There is neither.
    NoBackup,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Newest {
    /// Its name.
    pub name: String,
    /// When it began.
    pub started: Option<Timestamp>,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The report.
    pub report: String,
    /// Its namespace.
    pub namespace: String,
    /// The result.
    pub result: RunResult,
    /// When it was given.
    pub at: Timestamp,
}

/// What is known of each of these namespaces, and of those that tests restore.
#[must_use]
pub fn coverage(
    namespaces: &BTreeSet<String>,
    backups: &[Backup],
    tests: &[RestoreTest],
    reports: &[RestoreReport],
) -> Vec<Covered> {
    let mut testing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for test in tests {
        let name = format!("{}/{}", test.namespace().unwrap_or_default(), test.name_any());
        for source in sources(&test.spec) {
            testing.entry(source).or_default().push(name.clone());
        }
    }
    let verdicts = verdicts(reports);
    let names: BTreeSet<&String> = namespaces.iter().chain(testing.keys()).collect();
    let covered = |namespace: &String| {
        let tests = testing.get(namespace).cloned().unwrap_or_default();
        let backup = choose::newest_of(backups, namespace).map(|backup| Newest {
            name: backup.name_any(),
            started: choose::started(backup),
        });
        let (proven_at, last) = verdicts.get(namespace).cloned().unwrap_or_default();
        Covered {
            namespace: namespace.clone(),
            exists: namespaces.contains(namespace),
            standing: standing(last.as_ref(), !tests.is_empty(), backup.is_some()),
            tests,
            backup,
            proven_at,
            last,
        }
    };
    names.into_iter().map(covered).collect()
}

/// The last pass, and the last verdict that says something of a backup, of each namespace.
fn verdicts(reports: &[RestoreReport]) -> BTreeMap<String, (Option<Timestamp>, Option<Verdict>)> {
    let mut verdicts: BTreeMap<String, (Option<Timestamp>, Option<Verdict>)> = BTreeMap::new();
    for report in reports {
        let Some(ended) = Ended::of(report).filter(|ended| ended.result != RunResult::Inconclusive) else {
            continue;
        };
        let verdict = Verdict {
            report: report.name_any(),
            namespace: report.namespace().unwrap_or_default(),
            result: ended.result,
            at: ended.at,
        };
        for source in report.spec.test.iter().flat_map(sources) {
            let (proven, last) = verdicts.entry(source).or_default();
            if ended.result == RunResult::Pass {
                *proven = (*proven).max(Some(ended.at));
            }
            if last.as_ref().is_none_or(|last| last.at < ended.at) {
                *last = Some(verdict.clone());
            }
        }
    }
    verdicts
}

fn standing(last: Option<&Verdict>, has_test: bool, has_backup: bool) -> Standing {
    match (last.map(|last| last.result), has_test, has_backup) {
        // Without a test nobody looks any more, so an old verdict proves nothing.
        (Some(RunResult::Pass), true, _) => Standing::Proven,
        (Some(RunResult::Fail | RunResult::Partial), true, _) => Standing::Failing,
        (None | Some(RunResult::Inconclusive), true, _) => Standing::Undecided,
        (_, false, true) => Standing::Untested,
        (_, false, false) => Standing::NoBackup,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(source: &str) -> serde_json::Value {
        json!({ "backupSource": { "provider": "velero", "namespaces": [{ "name": source }] },
                "schedule": { "cron": "0 3 * * *" } })
    }

    fn test(name: &str, source: &str) -> RestoreTest {
        serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": name, "namespace": "ops" }, "spec": spec(source),
        }))
        .unwrap()
    }

    fn report(name: &str, source: &str, result: &str, hour: u8) -> RestoreReport {
        serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
            "metadata": { "name": name, "namespace": "ops" },
            "spec": { "testRef": "t", "test": spec(source) },
            "status": { "phase": "Completed", "result": result, "completedAt": format!("2026-01-01T{hour:02}:00:00Z") },
        }))
        .unwrap()
    }

    fn backup(name: &str, namespace: &str, phase: &str, hour: u8) -> Backup {
        serde_json::from_value(json!({
            "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": name },
            "spec": { "includedNamespaces": [namespace] },
            "status": { "phase": phase, "startTimestamp": format!("2026-01-01T{hour:02}:00:00Z") },
        }))
        .unwrap()
    }

    #[test]
    fn every_standing_is_told_apart() {
        let namespaces = ["bank", "blog", "cache", "shop", "wiki"]
            .map(str::to_owned)
            .into();
        let backups = [
            backup("old", "shop", "Completed", 1),
            backup("new", "shop", "Completed", 2),
            backup("broken", "shop", "Failed", 3),
            backup("blog", "blog", "PartiallyFailed", 1),
        ];
        let tests = [
            test("shop", "shop"),
            test("bank", "bank"),
            test("wiki", "wiki"),
            test("gone", "gone"),
        ];
        let reports = vec![
            report("shop-1", "shop", "fail", 3),
            report("shop-2", "shop", "pass", 4),
            report("shop-3", "shop", "inconclusive", 5),
            report("bank-1", "bank", "pass", 1),
            report("bank-2", "bank", "partial", 2),
            report("wiki-1", "wiki", "inconclusive", 1),
            report("blog-1", "blog", "pass", 1),
        ];
        let covered = coverage(&namespaces, &backups, &tests, &reports);
        let standings: Vec<_> = covered
            .iter()
            .map(|c| (c.namespace.as_str(), c.standing, c.exists))
            .collect();
        assert_eq!(
            standings,
            [
                ("bank", Standing::Failing, true),
                ("blog", Standing::Untested, true),
                ("cache", Standing::NoBackup, true),
                ("gone", Standing::Undecided, false),
                ("shop", Standing::Proven, true),
                ("wiki", Standing::Undecided, true),
            ]
        );
        let of = |name: &str| covered.iter().find(|c| c.namespace == name).unwrap().clone();
        let shop = of("shop");
        assert_eq!(shop.backup.unwrap().name, "new");
        assert_eq!(shop.proven_at, "2026-01-01T04:00:00Z".parse().ok());
        assert_eq!(shop.last.unwrap().report, "shop-2");
        assert_eq!(shop.tests, ["ops/shop"]);
        let bank = of("bank");
        assert_eq!(bank.proven_at, "2026-01-01T01:00:00Z".parse().ok());
        assert_eq!(bank.last.unwrap().report, "bank-2");
    }
}
