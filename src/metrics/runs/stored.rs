//! What the stored tests and reports say.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kymaros_crds::{
    RestoreTest, RunPhase, RunResult,
    domain::{Schedule, duration},
};
use kymaros_webhooks::validate::TestName;

use crate::{
    fleet::Run,
    history::{Ended, sources},
};

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

/// How long a message that nobody got is told of: it is tried for a day, and somebody should look within another.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(48);

/// What all of them say together.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    /// Runs that go on, by phase; each phase is there.
    pub phases: Vec<(RunPhase, u64)>,
    /// Objects that were left behind.
    pub leaked: u64,
    /// Messages that were tried and are tried again, and those that were given up not long ago.
    pub undelivered: [(&'static str, u64); 2],
    /// The latest run of each test.
    pub latest: Vec<Latest>,
    /// The agreed recovery time of each test that has one, in seconds.
    pub targets: Vec<(TestName, f64)>,
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

/// One pass over all runs.
pub(super) fn summary(runs: &[Arc<Run>], tests: &[Arc<RestoreTest>], now: Timestamp) -> Summary {
    let mut phases = GOING_ON.map(|phase| (phase, 0)).to_vec();
    let mut leaked = 0;
    let (mut waiting, mut lost) = (0, 0);
    let mut latest: HashMap<TestName, (Ended, &Run)> = HashMap::new();
    let wanted = tests.iter().flat_map(|test| sources(&test.spec));
    let mut proofs: BTreeMap<String, Option<Timestamp>> = wanted.map(|name| (name, None)).collect();
    let known = names(tests);
    let mut busy: HashSet<TestName> = HashSet::new();
    for run in runs.iter().map(AsRef::as_ref) {
        leaked += u64::try_from(run.leftovers.unwrap_or_default()).unwrap_or_default();
        if let Some((_, count)) = phases.iter_mut().find(|(going_on, _)| *going_on == run.phase) {
            *count += 1;
        }
        waiting += u64::from(run.untold.waiting);
        let test = run.test_key().test;
        let Some(ended) = run.ended else {
            if run.phase != RunPhase::Queued {
                busy.insert(test);
            }
            continue;
        };
        if now.duration_since(ended.at) < REMEMBERED {
            lost += u64::from(run.untold.lost);
        }
        if ended.result == RunResult::Pass {
            for source in run.sources.iter() {
                if let Some(passed) = proofs.get_mut(&**source) {
                    *passed = (*passed).max(Some(ended.at));
                }
            }
        }
        if known.contains(&test) {
            let newest = latest.entry(test).or_insert((ended, run));
            if newest.0.at < ended.at {
                *newest = (ended, run);
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
    let targets = tests.iter().filter_map(|test| {
        let target = duration::parse(&test.spec.sla.as_ref()?.max_rto).ok()?;
        Some((test.as_ref().into(), target.as_secs_f64()))
    });
    let targets = targets.collect();
    let latest = latest
        .into_iter()
        .map(|(test, (ended, run))| of(test, ended, run));
    Summary {
        phases,
        leaked,
        undelivered: [("waiting", waiting), ("lost", lost)],
        targets,
        due,
        latest: latest.collect(),
        proofs: proofs.into_iter().collect(),
    }
}

/// When a test is due for the first time after its latest run ended, or after it was made. The test remembers runs of which
/// there is no report any more.
fn due(test: &RestoreTest, ended: Option<Timestamp>) -> Option<Timestamp> {
    let remembered = test
        .status
        .as_ref()
        .and_then(|status| status.last_run_at.as_ref());
    let made = test.creation_timestamp().map(|made| made.0);
    let base = ended.max(remembered.map(|at| at.0)).max(made)?;
    let schedule = &test.spec.schedule;
    let schedule = Schedule::parse(&schedule.cron, schedule.timezone.as_deref()).ok();
    schedule.filter(|_| !test.spec.suspend)?.next_after(base)
}

fn of(test: TestName, ended: Ended, run: &Run) -> Latest {
    let started = run.started.unwrap_or(ended.at);
    Latest {
        test,
        ended: ended.at.as_duration().as_secs_f64(),
        result: ended.result,
        score: ended.score.map(f64::from),
        rto: ended.rto.map(|rto| rto.as_secs_f64()),
        backup_age: run
            .backup_taken
            .map(|taken| started.duration_since(taken).as_secs_f64()),
    }
}
