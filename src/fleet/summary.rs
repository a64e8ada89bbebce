//! Figures over everything.

use std::{collections::BTreeSet, time::Duration};

use kymaros_crds::{RunPhase, RunResult};
use kymaros_webhooks::validate::{Usage, used};
use schemars::JsonSchema;
use serde::Serialize;

use super::{cluster::FleetTest, moments::duration_text, runs::Index, view::View};

/// Figures over everything; averages and failures that are not there are 0, as in 0.6.9.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Mean score of the latest run of each test.
    pub average_score: f64,
    /// Tests.
    pub total_tests: usize,
    /// Runs of the last 24 hours with a verdict.
    pub tests_last_night: usize,
    /// Those of them that failed.
    pub total_failures: usize,
    /// Those of them that passed with losses.
    pub total_partial: usize,
    /// Those of them that proved nothing.
    pub total_inconclusive: usize,
    /// Mean recovery time of the latest run of each test, such as `2m30s`.
    #[serde(rename = "averageRTO")]
    pub average_rto: String,
    /// Source namespaces of all tests.
    pub namespaces_covered: usize,
    /// Runs that go on.
    pub running: usize,
    /// Runs that wait.
    pub queued: usize,
}

pub(super) fn summary(index: &Index, tests: &[FleetTest], view: &View) -> Summary {
    let latest: Vec<_> = tests
        .iter()
        .filter_map(|test| index.latest(&test.key()))
        .collect();
    let scores = latest.iter().filter_map(|run| run.score()).map(f64::from);
    let scores: Vec<f64> = scores.collect();
    let times: Vec<Duration> = latest.iter().filter_map(|run| run.rto()).collect();
    let yesterday = view.now.saturating_sub(jiff::SignedDuration::from_hours(24)).ok();
    let in_view = index.since(yesterday).filter(|run| view.holds(&run.name));
    let recent: Vec<RunResult> = in_view.filter_map(|run| run.result()).collect();
    let with = |result| recent.iter().filter(|found| **found == result).count();
    let live = || index.live().filter(|run| view.holds(&run.name));
    let queued = live().filter(|run| run.phase == RunPhase::Queued).count();
    Summary {
        average_score: mean(&scores),
        total_tests: tests.len(),
        tests_last_night: recent.len(),
        total_failures: with(RunResult::Fail),
        total_partial: with(RunResult::Partial),
        total_inconclusive: with(RunResult::Inconclusive),
        average_rto: average(&times).map(duration_text).unwrap_or_default(),
        namespaces_covered: covered(tests),
        running: live().count() - queued,
        queued,
    }
}

/// Namespaces that tests restore; one name in two clusters is two.
pub(super) fn covered(tests: &[FleetTest]) -> usize {
    let namespaces = tests
        .iter()
        .flat_map(|test| used(&test.spec, Usage::Source).map(|name| (&test.cluster, name)));
    namespaces.collect::<BTreeSet<_>>().len()
}

/// 0 without any.
pub(super) fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
    if count == 0 {
        return 0.0;
    }
    values.iter().sum::<f64>() / f64::from(count)
}

pub(super) fn average(times: &[Duration]) -> Option<Duration> {
    let count = u32::try_from(times.len()).ok().filter(|count| *count > 0)?;
    Some(times.iter().sum::<Duration>() / count)
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::{
        Scope,
        sample::{fleet_tests, log, report, test, view},
    };

    #[test]
    fn the_latest_run_of_each_test_counts_and_the_last_day_is_told() {
        let log = log([
            report("ops", "shop", 1, "fail", Some(10)),
            report("ops", "shop", 9, "pass", Some(100)),
            report("ops", "blog", 9, "partial", Some(80)),
            report("dev", "shop", 10, "inconclusive", Some(51)),
            report("dev", "blog", 10, "", None),
        ]);
        let tests = fleet_tests([test("ops", "shop"), test("ops", "blog"), test("dev", "shop")]);
        let now = view(Tier::Community, 10);
        let all = log.read(|index| summary(index, &tests, &now));
        assert!((all.average_score - 90.0).abs() < f64::EPSILON, "{all:?}");
        assert_eq!(
            (all.total_tests, all.tests_last_night, all.namespaces_covered),
            (3, 3, 2)
        );
        assert_eq!(
            (all.total_failures, all.total_partial, all.total_inconclusive),
            (0, 1, 1)
        );
        assert_eq!(
            (all.running, all.queued, all.average_rto.as_str()),
            (1, 0, "1m9s")
        );
        let mut ops = now;
        ops.scope = Scope::Namespace("ops".into());
        let ops = log.read(|index| summary(index, &tests[..2], &ops));
        assert_eq!((ops.tests_last_night, ops.running), (2, 0));
    }

    #[test]
    fn nothing_is_zero() {
        let nothing = log([]).read(|index| summary(index, &[], &view(Tier::Community, 1)));
        assert_eq!(nothing, Summary::default());
    }
}
