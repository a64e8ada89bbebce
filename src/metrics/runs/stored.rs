//! What the stored tests and reports say.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kymaros_crds::{
    NotificationState, NotificationStatus, RestoreReport, RestoreReportStatus, RestoreTest, RunPhase,
    RunResult,
    domain::{Schedule, duration},
};
use kymaros_webhooks::validate::TestName;

use crate::{
    history::{Ended, sources},
    notify::record::is_open,
    run::observe,
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

/// One pass over all reports.
pub(super) fn summary(reports: &[Arc<RestoreReport>], tests: &[Arc<RestoreTest>], now: Timestamp) -> Summary {
    let mut phases = GOING_ON.map(|phase| (phase, 0)).to_vec();
    let mut leaked = 0;
    let (mut waiting, mut lost) = (0, 0);
    let mut latest: HashMap<TestName, (Ended, &RestoreReport)> = HashMap::new();
    let wanted = tests.iter().flat_map(|test| sources(&test.spec));
    let mut proofs: BTreeMap<String, Option<Timestamp>> = wanted.map(|name| (name, None)).collect();
    let known = names(tests);
    let mut busy: HashSet<TestName> = HashSet::new();
    for report in reports {
        let Some(status) = &report.status else { continue };
        leaked += u64::try_from(status.leftovers.unwrap_or_default()).unwrap_or_default();
        let phase = observe::phase(report);
        if let Some((_, count)) = phases.iter_mut().find(|(going_on, _)| *going_on == phase) {
            *count += 1;
        }
        waiting += count(status, |message| is_open(message) && message.attempts > 0);
        let Some(ended) = Ended::of(report) else {
            if phase != RunPhase::Queued {
                busy.insert(TestName::from(report.as_ref()));
            }
            continue;
        };
        if now.duration_since(ended.at) < REMEMBERED {
            lost += count(status, |message| message.state == Some(NotificationState::Failed));
        }
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
    let targets = tests.iter().filter_map(|test| {
        let target = duration::parse(&test.spec.sla.as_ref()?.max_rto).ok()?;
        Some((test.as_ref().into(), target.as_secs_f64()))
    });
    let targets = targets.collect();
    let latest = latest
        .into_iter()
        .map(|(test, (ended, report))| of(test, ended, report));
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

fn count(status: &RestoreReportStatus, is_so: impl Fn(&NotificationStatus) -> bool) -> u64 {
    status
        .notifications
        .iter()
        .map(|message| u64::from(is_so(message)))
        .sum()
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
