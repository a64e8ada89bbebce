//! What runs ended with, as their reports say.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::{
    Cause, ResolvedBackup, RestoreReport, RestoreReportStatus, RestoreTestSpec, RunResult,
    domain::{Source, duration},
};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When its verdict was given.
    pub at: Timestamp,
    /// Its verdict.
    pub result: RunResult,
    /// Its score, when its verdict says something about the backup.
    pub score: Option<i32>,
    /// Who is to blame.
    pub cause: Option<Cause>,
    /// From leaving the queue.
    pub took: Option<Duration>,
    /// The measured recovery time.
    pub rto: Option<Duration>,
}

impl Ended {
    /// How a run ended, when it has.
    #[must_use]
    pub fn of(report: &RestoreReport) -> Option<Self> {
        let status = report.status.as_ref()?;
        let at = status.completed_at.as_ref()?.0;
        let started = status.started_at.as_ref().map(|started| started.0);
        let took = started.and_then(|started| Duration::try_from(at.duration_since(started)).ok());
        let rto = status
            .rto
            .as_ref()
            .and_then(|rto| duration::parse(&rto.measured).ok());
        let result = status.result?;
        Some(Self {
            at,
            result,
            score: result.score(status.score),
            cause: status.cause,
            took,
            rto,
        })
    }
}

/// The backups that a run restores; reports of 0.6.9 know one.
#[must_use]
pub fn backups(status: &RestoreReportStatus) -> &[ResolvedBackup] {
    if status.sources.is_empty() {
        status.source.as_slice()
    } else {
        &status.sources
    }
}

/// The namespaces that a test restores.
#[must_use]
pub fn sources(spec: &RestoreTestSpec) -> Vec<String> {
    Source::specs(spec)
        .flat_map(|(_, source)| source.namespaces.iter().map(|namespace| namespace.name.clone()))
        .collect()
}
