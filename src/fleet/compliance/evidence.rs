//! What requirements are held against.

use jiff::Timestamp;
use kymaros_crds::{RestoreTest, RunResult};

use crate::fleet::{
    cluster::{FleetTest, TestKey},
    coverage::Coverage,
    runs::{Index, Run, RunName},
};

/// The tests that count, and their runs in the period.
pub(super) struct Evidence<'a> {
    pub index: &'a Index,
    pub tests: &'a [FleetTest],
    /// Of these tests one after the other, the newest run of each first.
    pub runs: Vec<&'a Run>,
    pub coverage: &'a Coverage,
    pub since: Option<Timestamp>,
    pub now: Timestamp,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        index: &'a Index,
        tests: &'a [FleetTest],
        coverage: &'a Coverage,
        (since, now): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let of_test = |test: &FleetTest| {
            let runs = index.of_test(&test.key()).rev();
            runs.take_while(move |run| since.is_none_or(|since| run.created >= since))
        };
        Self {
            index,
            tests,
            runs: tests.iter().flat_map(of_test).map(AsRef::as_ref).collect(),
            coverage,
            since,
            now,
        }
    }

    /// Each test, with whether it meets something.
    pub(super) fn tests(
        &self,
        meets: impl Fn(&RestoreTest, &TestKey) -> bool,
    ) -> impl Iterator<Item = (TestKey, bool)> {
        self.tests.iter().map(move |test| {
            let name = test.key();
            let meets = meets(test, &name);
            (name, meets)
        })
    }

    /// Each run that said something about its backup, with whether it meets something.
    pub(super) fn conclusive(&self, meets: impl Fn(&Run) -> bool) -> impl Iterator<Item = (&RunName, bool)> {
        let runs = self.runs.iter().filter(|run| is_conclusive(run));
        runs.map(move |run| (&run.name, meets(run)))
    }

    /// Whether a test has a verdict about its backup in the period.
    pub(super) fn ran(&self, test: &TestKey) -> bool {
        let since = self.since;
        self.index
            .of_test(test)
            .rev()
            .take_while(|run| since.is_none_or(|since| run.created >= since))
            .any(|run| is_conclusive(run))
    }
}

pub(super) fn is_conclusive(run: &Run) -> bool {
    run.result().is_some_and(RunResult::is_conclusive)
}
