//! How runs ended, counted by day as their reports come and go: a page shows weeks of them at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kymaros_crds::RunResult;

use super::run::Run;
use crate::fleet::{cluster::ClusterName, daily::day_of};

/// Runs by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// They passed.
    pub pass: usize,
    /// They passed with losses.
    pub partial: usize,
    /// Nothing could be found out.
    pub inconclusive: usize,
    /// They failed.
    pub fail: usize,
}

impl Count {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> usize {
        self.pass + self.partial + self.inconclusive + self.fail
    }

    /// Those that ended so.
    pub(in crate::fleet) fn of(&mut self, result: RunResult) -> &mut usize {
        match result {
            RunResult::Pass => &mut self.pass,
            RunResult::Partial => &mut self.partial,
            RunResult::Inconclusive => &mut self.inconclusive,
            RunResult::Fail => &mut self.fail,
        }
    }

    pub(in crate::fleet) fn add(&mut self, other: Self) {
        self.pass += other.pass;
        self.partial += other.partial;
        self.inconclusive += other.inconclusive;
        self.fail += other.fail;
    }
}

/// Where runs are: their cluster and their namespace.
type Home = (Option<ClusterName>, Arc<str>);

fn home(run: &Run) -> Home {
    (run.name.cluster.clone(), run.name.namespace.clone())
}

/// Runs with a verdict by the day they were made, each day by where they are.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<i64, HashMap<Home, Count>>);

impl Days {
    pub(super) fn put(&mut self, run: &Run) {
        if let Some(result) = run.result() {
            let of_day = self.0.entry(day_of(run)).or_default();
            *of_day.entry(home(run)).or_default().of(result) += 1;
        }
    }

    pub(super) fn forget(&mut self, run: &Run) {
        let (day, home) = (day_of(run), home(run));
        let (Some(result), Some(of_day)) = (run.result(), self.0.get_mut(&day)) else {
            return;
        };
        if let Some(count) = of_day.get_mut(&home) {
            let ended = count.of(result);
            *ended = ended.saturating_sub(1);
            if count.all() == 0 {
                of_day.remove(&home);
            }
        }
        if of_day.is_empty() {
            self.0.remove(&day);
        }
    }

    /// Those of a day and of all after it.
    pub(super) fn from(&self, day: i64) -> impl Iterator<Item = (i64, &Home, Count)> {
        let days = self.0.range(day..);
        days.flat_map(|(day, homes)| homes.iter().map(|(home, count)| (*day, home, *count)))
    }
}
