//! Which tests somebody looks for: by a word of their names, and by how they stand. The table and its file have the same.

use kymaros_crds::RunResult;

use super::{cluster::FleetTest, runs::Index, test::TestRow};
use crate::condition::unready;

/// How a test stands: by its latest verdict, unless it cannot run at all. What needs somebody comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestStanding {
    /// Its backup failed.
    Fail,
    /// It cannot run, or no run of it has ended.
    Unproven,
    /// It could not be found out.
    Inconclusive,
    /// With losses.
    Partial,
    /// Its first run goes on.
    Running,
    /// Somebody stopped it before its first run.
    Suspended,
    /// Its backup can be restored.
    Pass,
}

impl TestStanding {
    /// All of them, what needs somebody first.
    pub const ALL: [Self; 7] = [
        Self::Fail,
        Self::Unproven,
        Self::Inconclusive,
        Self::Partial,
        Self::Running,
        Self::Suspended,
        Self::Pass,
    ];

    pub(super) fn of(index: &Index, test: &FleetTest) -> Self {
        let status = test.status.as_ref();
        let unready = status.and_then(|status| unready(&status.conditions));
        let runs = || index.running(&test.key()).is_some();
        match status.and_then(|status| status.last_result) {
            _ if unready.is_some_and(|condition| !condition.message.is_empty()) => Self::Unproven,
            Some(RunResult::Pass) => Self::Pass,
            Some(RunResult::Partial) => Self::Partial,
            Some(RunResult::Fail) => Self::Fail,
            Some(RunResult::Inconclusive) => Self::Inconclusive,
            None if runs() => Self::Running,
            None if test.spec.suspend => Self::Suspended,
            None => Self::Unproven,
        }
    }

    /// Its name in addresses.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unproven => "unproven",
            Self::Inconclusive => "inconclusive",
            Self::Partial => "partial",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Pass => "pass",
        }
    }
}

impl TestRow {
    /// Whether its name, its namespace or one that it restores has this word, in any case.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let named = [&self.name, &self.namespace];
        let mut texts = named.into_iter().chain(&self.source_namespaces);
        texts.any(|text| text.to_lowercase().contains(&word))
    }
}
