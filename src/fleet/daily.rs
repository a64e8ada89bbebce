//! Figures by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kymaros_crds::RunResult;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    runs::{Index, Run},
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
        what: ByDay::of(runs.map(AsRef::as_ref)).figures(),
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

/// Runs with a verdict, by the day they were made.
#[derive(Debug, Default)]
pub(super) struct ByDay(BTreeMap<i64, OfDay>);

#[derive(Debug, Default)]
struct OfDay {
    tests: usize,
    failures: usize,
    score: f64,
    scored: u32,
}

impl ByDay {
    pub(super) fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut days = Self::default();
        for run in runs.filter(|run| run.ended.is_some()) {
            days.add(run);
        }
        days
    }

    /// Takes a run that has a verdict.
    pub(super) fn add(&mut self, run: &Run) {
        let of_day = self.0.entry(day_of(run)).or_default();
        of_day.tests += 1;
        of_day.failures += usize::from(run.result() == Some(RunResult::Fail));
        if let Some(score) = run.score() {
            of_day.score += f64::from(score);
            of_day.scored += 1;
        }
    }

    /// Mean score of all of them; 0 without any.
    pub(super) fn score(&self) -> f64 {
        let all = self.0.values();
        let (sum, count) = all.fold((0.0, 0), |(sum, count), of_day| {
            (sum + of_day.score, count + of_day.scored)
        });
        if count == 0 { 0.0 } else { sum / f64::from(count) }
    }

    /// How many days there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Oldest first. A day of which no run has a score is left out: it has none, and clients of 0.6.9 read a number.
    pub(super) fn figures(self) -> Vec<Day> {
        let day = |(day, of_day): (i64, OfDay)| {
            let begin = Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
            Day {
                date: begin.strftime("%Y-%m-%d").to_string(),
                score: of_day.score / f64::from(of_day.scored),
                tests: of_day.tests,
                failures: of_day.failures,
            }
        };
        let scored = self.0.into_iter().filter(|(_, of_day)| of_day.scored > 0);
        scored.map(day).collect()
    }
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
