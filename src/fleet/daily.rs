//! Figures by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kymaros_crds::RunResult;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    runs::{Index, Run},
    summary::mean,
    view::{Shown, View},
};

/// Longest stretch, days, as in 0.6.9.
const MOST: u32 = 365;

/// One day with runs that have a score, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Day {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Mean score of its runs.
    pub score: f64,
    /// Its runs with a verdict.
    pub tests: usize,
    /// Those that failed.
    pub failures: usize,
}

pub(super) fn daily(index: &Index, days: u32, view: &View) -> Shown<Vec<Day>> {
    let (since, line) = view.since(Some(days.min(MOST)));
    let runs = index
        .since(since)
        .filter(|run| run.created <= view.now && view.holds(&run.name));
    Shown {
        what: by_day(runs.map(AsRef::as_ref)),
        hidden: line.into_iter().collect(),
    }
}

/// The day that a run was made on.
pub(super) fn day_of(run: &Run) -> i64 {
    day(run.created)
}

/// The day of a moment.
pub(super) fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

/// Runs with a verdict by the day they were made, oldest first. A day of which no run has a score is left out: it has
/// none, and clients of 0.6.9 read a number.
pub(super) fn by_day<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<Day> {
    let mut days: BTreeMap<i64, (Vec<f64>, usize, usize)> = BTreeMap::new();
    for run in runs.filter(|run| run.ended.is_some()) {
        let (scores, tests, failures) = days.entry(day_of(run)).or_default();
        *tests += 1;
        *failures += usize::from(run.result() == Some(RunResult::Fail));
        scores.extend(run.score().map(f64::from));
    }
    let day = |(day, (scores, tests, failures)): (i64, (Vec<f64>, usize, usize))| {
        let begin = Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
        Day {
            date: begin.strftime("%Y-%m-%d").to_string(),
            score: mean(&scores),
            tests,
            failures,
        }
    };
    let scored = days.into_iter().filter(|(_, (scores, ..))| !scores.is_empty());
    scored.map(day).collect()
}

#[cfg(test)]
mod tests {
    use kymaros_crds::domain::Tier;

    use super::*;
    use crate::fleet::sample::{log, report, view};

    #[test]
    fn a_run_without_a_verdict_counts_on_no_day_and_a_day_without_a_score_is_left_out() {
        let log = log([
            report("ops", "shop", 8, "pass", Some(90)),
            report("ops", "blog", 8, "", None),
            report("ops", "blog", 9, "", None),
            report("ops", "shop", 9, "inconclusive", None),
        ]);
        let seen = log.read(|index| daily(index, 30, &view(Tier::Team, 10))).what;
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((seen[0].date.as_str(), seen[0].tests), ("2026-01-09", 1));
    }

    #[test]
    fn days_without_runs_are_left_out_and_old_ones_are_for_those_who_see_them() {
        let log = log([
            report("ops", "shop", 1, "pass", Some(90)),
            report("ops", "shop", 8, "fail", Some(50)),
            report("ops", "blog", 8, "pass", Some(100)),
            report("ops", "blog", 9, "inconclusive", Some(51)),
        ]);
        let days = |tier, days| log.read(|index| daily(index, days, &view(tier, 10)));
        let seen = days(Tier::Community, 30);
        let dates: Vec<&str> = seen.what.iter().map(|day| day.date.as_str()).collect();
        assert_eq!(dates, ["2026-01-09"]);
        assert_eq!((seen.what[0].tests, seen.what[0].failures), (2, 1));
        assert!((seen.what[0].score - 75.0).abs() < f64::EPSILON, "{seen:?}");
        assert!(seen.hidden[0].contains("7 days"), "{:?}", seen.hidden);
        let seen = days(Tier::Team, 30);
        assert_eq!((seen.what.len(), seen.hidden.len()), (2, 0));
        assert_eq!(days(Tier::Enterprise, 2).what.len(), 1);
    }
}
