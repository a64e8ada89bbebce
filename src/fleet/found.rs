//! Which tests somebody looks for: by a word of their names, and by how they stand. The table and its file have the same.

use kymaros_crds::RunResult;

use super::test::TestRow;

/// How a test stands: by its latest verdict, unless it cannot run at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> TestStanding {
        match RunResult::of_word(&self.last_result) {
            _ if !self.problem.is_empty() => TestStanding::Unproven,
            Some(RunResult::Pass) => TestStanding::Pass,
            Some(RunResult::Partial) => TestStanding::Partial,
            Some(RunResult::Fail) => TestStanding::Fail,
            Some(RunResult::Inconclusive) => TestStanding::Inconclusive,
            None if !self.running.is_empty() => TestStanding::Running,
            None if self.suspended => TestStanding::Suspended,
            None => TestStanding::Unproven,
        }
    }

    /// Whether its name, its namespace or one that it restores has this word, in any case.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let named = [&self.name, &self.namespace];
        let mut texts = named.into_iter().chain(&self.source_namespaces);
        texts.any(|text| text.to_lowercase().contains(&word))
    }
}
