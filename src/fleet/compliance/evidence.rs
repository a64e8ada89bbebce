//! What requirements are held against.

use std::sync::Arc;

use jiff::Timestamp;
use kymaros_crds::{RestoreTest, RunResult};

use crate::fleet::{
    cluster::{FleetTest, TestKey},
    coverage::Coverage,
    runs::{Index, Run, RunName},
};

/// The tests that count, and their runs in the period.
pub(super) struct Evidence<'a> {
    pub tests: Vec<OfTest<'a>>,
    pub coverage: &'a Coverage,
    pub since: Option<Timestamp>,
    pub now: Timestamp,
}

/// A test that counts, and what is known of its runs.
pub(super) struct OfTest<'a> {
    pub test: &'a RestoreTest,
    pub name: TestKey,
    /// All its runs, the oldest first.
    all: &'a [Arc<Run>],
    /// Those of them in the period.
    recent: &'a [Arc<Run>],
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        index: &'a Index,
        tests: &'a [FleetTest],
        coverage: &'a Coverage,
        (since, now): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let of_test = |test: &'a FleetTest| {
            let name = test.key();
            let all = index.of_test(&name).as_slice();
            OfTest {
                test,
                name,
                all,
                recent: from(all, since),
            }
        };
        Self {
            tests: tests.iter().map(of_test).collect(),
            coverage,
            since,
            now,
        }
    }

    /// The runs of one test after the other, the newest of each first.
    pub(super) fn runs(&self) -> impl Iterator<Item = &'a Run> {
        self.tests.iter().flat_map(OfTest::runs)
    }

    /// Each test, with whether it meets something.
    pub(super) fn tests(
        &self,
        meets: impl Fn(&OfTest<'a>) -> bool,
    ) -> impl Iterator<Item = (&TestKey, bool)> {
        self.tests
            .iter()
            .map(move |of_test| (&of_test.name, meets(of_test)))
    }

    /// Each run that said something about its backup, with whether it meets something.
    pub(super) fn conclusive(
        &self,
        meets: impl Fn(&Run) -> bool,
    ) -> impl Iterator<Item = (&'a RunName, bool)> {
        let runs = self.runs().filter(|run| is_conclusive(run));
        runs.map(move |run| (&run.name, meets(run)))
    }
}

impl<'a> OfTest<'a> {
    /// Those in the period, the newest first.
    pub(super) fn runs(&self) -> impl Iterator<Item = &'a Run> + use<'a> {
        self.recent.iter().rev().map(AsRef::as_ref)
    }

    /// The newest with a verdict about its backup, in the period or before it.
    pub(super) fn latest(&self) -> Option<&'a Run> {
        let mut newest = self.all.iter().rev().map(AsRef::as_ref);
        newest.find(|run| is_conclusive(run))
    }

    /// Whether one made since a moment has a verdict about its backup.
    pub(super) fn ran_since(&self, since: Option<Timestamp>) -> bool {
        from(self.all, since).iter().any(|run| is_conclusive(run))
    }

    /// Whether one in the period has.
    pub(super) fn ran(&self) -> bool {
        self.recent.iter().any(|run| is_conclusive(run))
    }
}

/// Those made from a moment on.
fn from(runs: &[Arc<Run>], since: Option<Timestamp>) -> &[Arc<Run>] {
    let first = since.map_or(0, |since| runs.partition_point(|run| run.created < since));
    runs.get(first..).unwrap_or_default()
}

pub(super) fn is_conclusive(run: &Run) -> bool {
    run.result().is_some_and(RunResult::is_conclusive)
}
