//! Runs in order, of which there are few each time: a tree for each of them would take more memory than they are worth.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::run::{Run, RunName};
use crate::fleet::cluster::TestKey;

/// The moment that runs are ordered by, and their names.
type Order = fn(&Run) -> Option<(Timestamp, &RunName)>;

/// Runs in the order of a moment that each of them has.
#[derive(Debug)]
pub(super) struct Ordered {
    runs: Vec<Arc<Run>>,
    order: Order,
}

impl Ordered {
    pub(super) fn by(order: Order) -> Self {
        Self {
            runs: Vec::new(),
            order,
        }
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> &[Arc<Run>] {
        &self.runs
    }

    pub(super) fn put(&mut self, run: Arc<Run>) {
        if let Err(place) = self.place(&run) {
            self.runs.insert(place, run);
        }
    }

    pub(super) fn forget(&mut self, run: &Run) {
        if let Ok(place) = self.place(run) {
            self.runs.remove(place);
        }
    }

    fn before(&self, run: &Run) -> &[Arc<Run>] {
        let (Ok(place) | Err(place)) = self.place(run);
        self.runs.get(..place).unwrap_or_default()
    }

    fn place(&self, run: &Run) -> Result<usize, usize> {
        let wanted = (self.order)(run);
        self.runs
            .binary_search_by(|other| (self.order)(other).cmp(&wanted))
    }
}

/// Runs of each test, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct ByTest(HashMap<TestKey, Ordered>);

impl ByTest {
    /// Those of a test, the oldest first.
    pub(super) fn of(&self, test: &TestKey) -> &[Arc<Run>] {
        self.0.get(test).map(Ordered::all).unwrap_or_default()
    }

    /// Those of its test that were made before a run.
    pub(super) fn before(&self, run: &Run) -> &[Arc<Run>] {
        let of_test = self.0.get(&run.test_key());
        of_test.map(|of_test| of_test.before(run)).unwrap_or_default()
    }

    pub(super) fn put(&mut self, run: Arc<Run>) {
        let of_test = self.0.entry(run.test_key());
        let made: Order = |run| Some((run.created, &run.name));
        of_test.or_insert_with(|| Ordered::by(made)).put(run);
    }

    pub(super) fn forget(&mut self, run: &Run) {
        let test = run.test_key();
        let Some(of_test) = self.0.get_mut(&test) else {
            return;
        };
        of_test.forget(run);
        if of_test.runs.is_empty() {
            self.0.remove(&test);
        }
    }

    /// How many tests have runs.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::report;

    fn run(day: i64) -> Arc<Run> {
        Arc::new(Run::of(&report("ops", "shop", day, "pass", Some(95)), None))
    }

    #[test]
    fn runs_are_in_order_however_they_come_and_each_is_there_once() {
        let mut runs = ByTest::default();
        for day in [2, 3, 1, 3] {
            runs.put(run(day));
        }
        let names =
            |runs: &[Arc<Run>]| -> Vec<String> { runs.iter().map(|run| run.name.name.to_string()).collect() };
        let test = run(1).test_key();
        assert_eq!(names(runs.of(&test)), ["shop-1", "shop-2", "shop-3"]);
        assert_eq!(names(runs.before(&run(3))), ["shop-1", "shop-2"]);
        assert_eq!(names(runs.before(&run(1))), [""; 0]);
        runs.forget(&run(2));
        runs.forget(&run(9));
        assert_eq!(names(runs.of(&test)), ["shop-1", "shop-3"]);
        runs.forget(&run(1));
        runs.forget(&run(3));
        assert_eq!(
            (runs.of(&test).len(), runs.len()),
            (0, 0),
            "nothing is kept of it"
        );
    }
}
