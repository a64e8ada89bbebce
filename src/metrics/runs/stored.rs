//! What the stored tests and reports say.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kymaros_crds::{
    Cause, RestoreReport, RestoreTest, RestoreTestSpec, RunPhase, RunResult,
    domain::{Source, duration},
};
use kymaros_webhooks::validate::TestName;

/// Phases of a run that goes on.
const GOING_ON: [RunPhase; 7] = [
    RunPhase::Queued,
    RunPhase::Preparing,
    RunPhase::Restoring,
    RunPhase::Starting,
    RunPhase::Checking,
    RunPhase::Judging,
    RunPhase::CleaningUp,
];

/// What all of them say together.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    /// Runs that go on, by phase; each phase is there.
    pub phases: Vec<(RunPhase, u64)>,
    /// Objects that were left behind.
    pub leaked: u64,
    /// The latest run of each test.
    pub latest: Vec<Latest>,
    /// Each namespace that a test restores, with the last time a run of it passed.
    pub proofs: Vec<(String, Option<Timestamp>)>,
}

/// The latest run of a test.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Latest {
    pub test: TestName,
    /// Unix time, seconds.
    pub ended: f64,
    pub score: Option<f64>,
    /// Seconds.
    pub rto: Option<f64>,
    /// Seconds.
    pub backup_age: Option<f64>,
}

/// How a run ended.
pub(super) struct Ended {
    pub at: Timestamp,
    pub result: RunResult,
    pub cause: Option<Cause>,
    /// From leaving the queue.
    pub took: Option<Duration>,
}

/// The tests that there are.
pub(super) fn names(tests: &[Arc<RestoreTest>]) -> HashSet<TestName> {
    tests.iter().map(|test| test.as_ref().into()).collect()
}

/// How a run ended, when it has.
pub(super) fn ended(report: &RestoreReport) -> Option<Ended> {
    let status = report.status.as_ref()?;
    let at = status.completed_at.as_ref()?.0;
    let took = status
        .started_at
        .as_ref()
        .map(|started| at.duration_since(started.0));
    Some(Ended {
        at,
        result: status.result?,
        cause: status.cause,
        took: took.and_then(|took| Duration::try_from(took).ok()),
    })
}

/// One pass over all reports.
pub(super) fn summary(reports: &[Arc<RestoreReport>], tests: &[Arc<RestoreTest>]) -> Summary {
    let mut phases = GOING_ON.map(|phase| (phase, 0)).to_vec();
    let mut leaked = 0;
    let mut latest: HashMap<TestName, (Timestamp, &RestoreReport)> = HashMap::new();
    let wanted = tests.iter().flat_map(|test| sources(&test.spec));
    let mut proofs: BTreeMap<String, Option<Timestamp>> = wanted.map(|name| (name, None)).collect();
    let known = names(tests);
    for report in reports {
        let Some(status) = &report.status else { continue };
        leaked += u64::try_from(status.leftovers.unwrap_or_default()).unwrap_or_default();
        let phase = status.phase.unwrap_or(RunPhase::Queued);
        if let Some((_, count)) = phases.iter_mut().find(|(going_on, _)| *going_on == phase) {
            *count += 1;
        }
        let Some(ended) = ended(report) else { continue };
        if ended.result == RunResult::Pass {
            for source in report.spec.test.iter().flat_map(sources) {
                if let Some(passed) = proofs.get_mut(&source) {
                    *passed = (*passed).max(Some(ended.at));
                }
            }
        }
        let test = TestName::from(report.as_ref());
        if known.contains(&test) {
            let newest = latest.entry(test).or_insert((ended.at, report));
            if newest.0 < ended.at {
                *newest = (ended.at, report);
            }
        }
    }
    let latest = latest
        .into_iter()
        .map(|(test, (at, report))| of(test, at, report));
    Summary {
        phases,
        leaked,
        latest: latest.collect(),
        proofs: proofs.into_iter().collect(),
    }
}

fn of(test: TestName, at: Timestamp, report: &RestoreReport) -> Latest {
    let status = report.status.clone().unwrap_or_default();
    let started = status.started_at.as_ref().map_or(at, |started| started.0);
    let taken = status.source.iter().chain(&status.sources);
    let oldest = taken.filter_map(|backup| Some(backup.started.as_ref()?.0)).min();
    let rto = status.rto.and_then(|rto| duration::parse(&rto.measured).ok());
    Latest {
        test,
        ended: at.as_duration().as_secs_f64(),
        score: status.score.map(f64::from),
        rto: rto.map(|rto| rto.as_secs_f64()),
        backup_age: oldest.map(|taken| started.duration_since(taken).as_secs_f64()),
    }
}

/// The namespaces that a test restores.
fn sources(spec: &RestoreTestSpec) -> Vec<String> {
    Source::specs(spec)
        .flat_map(|(_, source)| source.namespaces.iter().map(|namespace| namespace.name.clone()))
        .collect()
}
