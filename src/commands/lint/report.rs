//! What is found.

use std::collections::BTreeSet;

use kymaros_webhooks::validate::Unchecked;
use serde::Serialize;

/// A place in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Place {
    pub line: u32,
    pub column: u32,
}

/// Everything that is found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// Objects that were judged.
    pub checked: usize,
    /// Documents of other kinds.
    pub skipped: usize,
    /// What only a cluster can know.
    pub unchecked: BTreeSet<Unchecked>,
}

/// One thing about one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub file: String,
    #[serde(flatten)]
    pub place: Place,
    pub severity: Severity,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Error,
    Warning,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unread {
    pub file: String,
    #[serde(flatten)]
    pub place: Option<Place>,
    pub message: String,
}

/// How it went, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Clean,
    Wrong,
    Unread,
}

impl Report {
    /// How it went; `strict` takes warnings for errors.
    pub(super) fn outcome(&self, strict: bool) -> Outcome {
        let is_wrong = |finding: &Finding| strict || finding.severity == Severity::Error;
        if !self.unread.is_empty() {
            Outcome::Unread
        } else if self.findings.iter().any(is_wrong) {
            Outcome::Wrong
        } else {
            Outcome::Clean
        }
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }
}
