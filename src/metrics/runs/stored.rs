//! What the stored tests and reports say.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use kube::ResourceExt;
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, RunResult, domain::Schedule};
use kymaros_webhooks::validate::TestName;

use crate::history::{Ended, sources};

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
    /// When each test is due after its latest run, as a Unix time; not while a run of it goes on.
    pub due: Vec<(TestName, f64)>,
    /// Each namespace that a test restores, with the last time a run of it passed.
    pub proofs: Vec<(String, Option<Timestamp>)>,
}

/// The latest run of a test.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Latest {
    pub test: TestName,
    /// Unix time, seconds.
    pub ended: f64,
    pub result: RunResult,
    pub score: Option<f64>,
    /// Seconds.
    pub rto: Option<f64>,
    /// Seconds.
    pub backup_age: Option<f64>,
}

/// The tests that there are.
pub(super) fn names(tests: &[Arc<RestoreTest>]) -> HashSet<TestName> {
    tests.iter().map(|test| test.as_ref().into()).collect()
}

/// One pass over all reports.
pub(super) fn summary(reports: &[Arc<RestoreReport>], tests: &[Arc<RestoreTest>]) -> Summary {
    let mut phases = GOING_ON.map(|phase| (phase, 0)).to_vec();
    let mut leaked = 0;
    let mut latest: HashMap<TestName, (Ended, &RestoreReport)> = HashMap::new();
    let wanted = tests.iter().flat_map(|test| sources(&test.spec));
    let mut proofs: BTreeMap<String, Option<Timestamp>> = wanted.map(|name| (name, None)).collect();
    let known = names(tests);
    let mut busy: HashSet<TestName> = HashSet::new();
    for report in reports {
        let Some(status) = &report.status else { continue };
        leaked += u64::try_from(status.leftovers.unwrap_or_default()).unwrap_or_default();
        let phase = status.phase.unwrap_or(RunPhase::Queued);
        if let Some((_, count)) = phases.iter_mut().find(|(going_on, _)| *going_on == phase) {
            *count += 1;
        }
        let Some(ended) = Ended::of(report) else {
            if phase != RunPhase::Queued {
                busy.insert(TestName::from(report.as_ref()));
            }
            continue;
        };
        if ended.result == RunResult::Pass {
            for source in report.spec.test.iter().flat_map(sources) {
                if let Some(passed) = proofs.get_mut(&source) {
                    *passed = (*passed).max(Some(ended.at));
                }
            }
        }
        let test = TestName::from(report.as_ref());
        if known.contains(&test) {
            let newest = latest.entry(test).or_insert((ended, report));
            if newest.0.at < ended.at {
                *newest = (ended, report);
            }
        }
    }
    let due = tests.iter().filter_map(|test| {
        let name = TestName::from(test.as_ref());
        let ended = latest.get(&name).map(|(ended, _)| ended.at);
        let due = due(test, ended).filter(|_| !busy.contains(&name))?;
        Some((name, due.as_duration().as_secs_f64()))
    });
    let due = due.collect();
    let latest = latest
        .into_iter()
        .map(|(test, (ended, report))| of(test, ended, report));
    Summary {
        phases,
        leaked,
        due,
        latest: latest.collect(),
        proofs: proofs.into_iter().collect(),
    }
}

/// When a test is due for the first time after its latest run ended, or after it was made.
fn due(test: &RestoreTest, ended: Option<Timestamp>) -> Option<Timestamp> {
    let base = ended.or_else(|| Some(test.creation_timestamp()?.0))?;
    let schedule = &test.spec.schedule;
    let schedule = Schedule::parse(&schedule.cron, schedule.timezone.as_deref()).ok();
    schedule.filter(|_| !test.spec.suspend)?.next_after(base)
}

fn of(test: TestName, ended: Ended, report: &RestoreReport) -> Latest {
    let status = report.status.clone().unwrap_or_default();
    let started = status.started_at.as_ref().map_or(ended.at, |started| started.0);
    let taken = status.source.iter().chain(&status.sources);
    let oldest = taken.filter_map(|backup| Some(backup.started.as_ref()?.0)).min();
    Latest {
        test,
        ended: ended.at.as_duration().as_secs_f64(),
        result: ended.result,
        score: ended.score.map(f64::from),
        rto: ended.rto.map(|rto| rto.as_secs_f64()),
        backup_age: oldest.map(|taken| started.duration_since(taken).as_secs_f64()),
    }
}
