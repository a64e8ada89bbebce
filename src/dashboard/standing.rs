//! How things stand, as a shape, a word and a colour: never by colour alone.

use kymaros_crds::{Cause, CheckResult, LevelResult, RunResult, Severity};

use crate::fleet::TestStanding;

/// How something stands. The order is that of attention: what needs somebody first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It failed.
    Fail,
    /// Nothing proves it.
    Unproven,
    /// It could not be found out.
    Inconclusive,
    /// With losses, or a warning.
    Partial,
    /// It goes on.
    Running,
    /// It waits for its turn.
    Queued,
    /// Somebody stopped it.
    Suspended,
    /// It holds.
    Pass,
    /// Good to know, no more.
    Note,
}

impl Standing {
    /// The word beside the shape.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Unproven => "Unproven",
            Self::Inconclusive => "Inconclusive",
            Self::Partial => "Partial",
            Self::Running => "Running",
            Self::Queued => "Queued",
            Self::Suspended => "Suspended",
            Self::Pass => "Pass",
            Self::Note => "Note",
        }
    }

    /// The name of its shape and its colour in the style sheet and among the symbols.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unproven => "unproven",
            Self::Inconclusive => "inconclusive",
            Self::Partial => "partial",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Suspended => "suspended",
            Self::Pass => "pass",
            Self::Note => "note",
        }
    }
}

impl From<RunResult> for Standing {
    fn from(result: RunResult) -> Self {
        match result {
            RunResult::Pass => Self::Pass,
            RunResult::Partial => Self::Partial,
            RunResult::Fail => Self::Fail,
            RunResult::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<TestStanding> for Standing {
    fn from(standing: TestStanding) -> Self {
        match standing {
            TestStanding::Fail => Self::Fail,
            TestStanding::Unproven => Self::Unproven,
            TestStanding::Inconclusive => Self::Inconclusive,
            TestStanding::Partial => Self::Partial,
            TestStanding::Running => Self::Running,
            TestStanding::Suspended => Self::Suspended,
            TestStanding::Pass => Self::Pass,
        }
    }
}

impl From<LevelResult> for Standing {
    fn from(result: LevelResult) -> Self {
        match result {
            LevelResult::Pass => Self::Pass,
            LevelResult::Partial => Self::Partial,
            LevelResult::Fail => Self::Fail,
            LevelResult::NotTested => Self::Unproven,
        }
    }
}

impl From<CheckResult> for Standing {
    fn from(result: CheckResult) -> Self {
        match result {
            CheckResult::Pass => Self::Pass,
            CheckResult::Fail => Self::Fail,
            CheckResult::Skip => Self::Inconclusive,
        }
    }
}

impl From<Severity> for Standing {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Fail,
            Severity::Warning => Self::Partial,
            Severity::Info => Self::Note,
        }
    }
}

/// A cause, as people read it.
#[must_use]
pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Backup => "backup",
        Cause::RestoreEngine => "restore engine",
        Cause::Sandbox => "sandbox",
        Cause::Application => "application",
        Cause::Unknown => "unknown",
    }
}

/// What to do about a cause.
#[must_use]
pub fn remedy(cause: Cause) -> &'static str {
    match cause {
        Cause::Backup => {
            "The backup does not hold what it should. Look at the selectors, excluded kinds and volume settings of its \
             Velero Schedule; until they are mended, every newer backup lacks the same."
        }
        Cause::RestoreEngine => {
            "Velero did not bring back what the backup holds. Read the log of the Restore named under Restores, and \
             look at Velero's storage location, node agents and plugins."
        }
        Cause::Sandbox => {
            "The sandbox or its cluster stood in the way; this says nothing about the backup. Give the sandbox more \
             (quota, time), let the admission of other products pass it, or run the test again."
        }
        Cause::Application => {
            "The data came back, but the application does not work with it alone. Look at what it needs from outside \
             of the backup: images, other namespaces, addresses, secrets."
        }
        Cause::Unknown => {
            "It could not be told who is to blame. Run the test again with logCollection to see more."
        }
    }
}
