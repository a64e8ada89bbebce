//! A small world for tests of decisions: what Velero, the cluster and our own process would do, without any of them.

mod observed;
mod removal;
mod workloads;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use kymaros_crds::{Cause, Finding, RestoreReportStatus, RestoreTestSpec, RunPhase, domain::Test};

use self::removal::Sandbox;
pub(super) use self::{
    removal::{Held, Hindrance},
    workloads::Comes,
};
use super::super::{Decision, Effect, decide, start_over};
use crate::{
    checks::Outcome,
    run::{
        clock::{EvenTime, newest_moment},
        memory::Obstacle,
        observed::{Came, Delay, Fetched, Observed, Origin, RestoreOutcome, RestoreSeen, Settings},
        plan,
        queue::QueuePlace,
    },
    sandbox::{
        freed::Freed,
        held::HeldSandbox,
        leftovers::{LeftRestore, Leftovers},
        naming::RunIdentity,
        snapshots::SnapshotContent,
    },
    source::SourceObjects,
    velero::{
        choose::{Chosen, NoBackup},
        restore::RestorePhase,
        results::{BackupContents, ItemAction, ObjectId, RestoredObjects, VolumeInfo},
    },
    workloads::{Trouble, Workload, WorkloadState},
};

/// How the world behaves in one test.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a test")]
pub(super) struct Script {
    /// How Velero ends the Restore.
    pub restore_ends: RestorePhase,
    /// How the web front end comes up.
    pub comes: Comes,
    /// How a workload beside it does, where there is one.
    pub beside: Option<Comes>,
    /// The check of the front end passes.
    pub check_passes: bool,
    /// It takes so many seconds.
    pub check_takes: u16,
    /// There is a backup.
    pub has_backup: bool,
    /// Artifacts can be fetched.
    pub has_artifacts: bool,
    /// Velero takes Restores up at all.
    pub velero_works: bool,
    /// Watches over sandboxes deliver.
    pub watches_work: bool,
    /// So many Restores are disturbed before one comes to its own end.
    pub disturbed: u8,
    /// In so many steps of the world more than anything else the lists of the backup are read.
    pub contents_are_late: u8,
    /// What stands in the way of sandboxes that are to go.
    pub hindrance: Hindrance,
}

impl Script {
    pub(super) fn healthy() -> Self {
        Self {
            restore_ends: RestorePhase::Completed,
            comes: Comes::Up,
            beside: None,
            check_passes: true,
            check_takes: 0,
            has_backup: true,
            has_artifacts: true,
            velero_works: true,
            watches_work: true,
            disturbed: 0,
            contents_are_late: 0,
            hindrance: Hindrance::default(),
        }
    }
}

/// What is there.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a test")]
pub(super) struct World {
    pub script: Script,
    /// Goes on evenly.
    pub now: Timestamp,
    /// How far the clock of the cluster is ahead, and since when.
    clocks: Vec<(Timestamp, SignedDuration)>,
    pub status: RestoreReportStatus,
    /// The backup that would be chosen now.
    pub backup: &'static str,
    pub deleting: bool,
    pub released: bool,
    pub foreign: bool,
    /// Velero cannot delete a Restore while its storage location is down.
    pub storage_is_down: bool,
    /// Velero's server has no pod that is up.
    pub velero_is_down: bool,
    /// A kind that must not come back does.
    pub escapes: bool,
    /// A `CronJob` of its sandboxes is not suspended.
    pub is_wild: bool,
    /// The spec of the run is not what it should be.
    pub unreadable: bool,
    pub origin: Origin,
    /// A finalizer of somebody else holds the sandboxes.
    pub sandboxes_stay: bool,
    /// Somebody refuses that objects of a kind are deleted, in these words.
    pub refuses: Option<(&'static str, &'static str)>,
    /// When something was refused first that is refused for a time.
    refused_since: Option<Timestamp>,
    /// What carried finalizers of somebody else until the operator took them off.
    pub taken_off: BTreeSet<Freed>,
    /// The same, where the process died that knew it before its report named it.
    pub died_unnamed: BTreeSet<Freed>,
    /// Snapshot contents of its sandboxes.
    pub snapshots: Vec<SnapshotContent>,
    /// Somebody deleted sandboxes.
    pub were_deleted: bool,
    /// Somebody changed the report.
    pub was_edited: bool,
    /// Sandboxes that were freed when somebody deleted them.
    pub freed_in_time: BTreeSet<String>,
    pub sandboxes: BTreeMap<String, Sandbox>,
    pub restore: Option<RestoreSeen>,
    /// When Velero was done with it.
    restored: Option<Timestamp>,
    /// How many Restores were made before this one.
    pub restores_before: u8,
    settings: Arc<Settings>,
    /// What the process would forget in a crash.
    memory: Memory,
    pub begun: Timestamp,
}

#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
struct Memory {
    /// When the process began, and the time of the run since then.
    time: Option<(Timestamp, RefCell<EvenTime>)>,
    watching: Option<Timestamp>,
    /// For how many steps the lists of the backup have been asked for.
    asked_contents: Option<u8>,
    looks: bool,
    looked: bool,
    asked_outcome: bool,
    /// Whether the backup was read before.
    asked_delay: Option<bool>,
    outcome: bool,
    /// Whether the sandboxes are looked into, and were.
    asked_untamed: bool,
    untamed: bool,
    /// Since when the check is made.
    checking: Option<Timestamp>,
    checked: bool,
    no_sandbox: bool,
    freed: BTreeSet<Freed>,
    refused: BTreeMap<String, String>,
}

const SOURCE: &str = "shop";

fn seconds(many: u16) -> Duration {
    Duration::from_secs(many.into())
}

pub(super) fn identity() -> RunIdentity {
    RunIdentity {
        run: "shop-1".into(),
        uid: "uid-1".into(),
        test: "shop".into(),
        namespace: "ops".into(),
        attempt: 1,
    }
}

fn settings(spec: &serde_json::Value) -> Settings {
    let spec: RestoreTestSpec = serde_json::from_value(spec.clone()).unwrap();
    let test = Test::try_from(&spec).unwrap();
    Settings {
        checks: test.health.checks.clone(),
        test,
        missing_policy: None,
        previous: None,
    }
}

pub(super) fn spec() -> serde_json::Value {
    serde_json::json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": SOURCE }] },
        "schedule": { "cron": "0 3 * * *" },
        "sandbox": { "ttl": "30m" },
        "timeout": "20m",
        "healthChecks": { "settle": "0s", "timeout": "5m", "checks": [
            { "name": "web", "type": "tcpSocket", "tcpSocket": { "service": "web", "port": 80 } }] },
    })
}

impl World {
    pub(super) fn new(script: Script, spec: &serde_json::Value) -> Self {
        let begun = "2026-01-01T00:00:00Z".parse().unwrap();
        Self {
            script,
            begun,
            now: begun,
            clocks: vec![],
            status: RestoreReportStatus::default(),
            backup: "nightly",
            deleting: false,
            released: false,
            foreign: false,
            storage_is_down: false,
            velero_is_down: false,
            escapes: false,
            is_wild: false,
            unreadable: false,
            origin: Origin::Test,
            sandboxes_stay: false,
            refuses: None,
            refused_since: None,
            taken_off: BTreeSet::new(),
            died_unnamed: BTreeSet::new(),
            snapshots: vec![],
            were_deleted: false,
            was_edited: false,
            freed_in_time: BTreeSet::new(),
            sandboxes: BTreeMap::new(),
            restore: None,
            restored: None,
            restores_before: 0,
            settings: Arc::new(settings(spec)),
            memory: Memory::default(),
        }
    }

    pub(super) fn phase(&self) -> RunPhase {
        self.status.phase.unwrap_or(RunPhase::Queued)
    }

    pub(super) fn is_clean(&self) -> bool {
        self.sandboxes.is_empty() && self.restore.is_none()
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Somebody sets the clock of the cluster.
    pub(super) fn set_clock(&mut self, seconds: i64) {
        let ahead = self.ahead(self.now) + SignedDuration::from_secs(seconds);
        self.clocks.push((self.now, ahead));
    }

    fn ahead(&self, moment: Timestamp) -> SignedDuration {
        let mut clocks = self.clocks.iter().rev();
        let clock = clocks.find(|(since, _)| *since <= moment);
        clock.map_or(SignedDuration::ZERO, |(_, ahead)| *ahead)
    }

    /// What the clock of the cluster showed at a moment.
    fn written(&self, moment: Timestamp) -> Timestamp {
        moment + self.ahead(moment)
    }

    /// What it shows now.
    fn clock(&self) -> Timestamp {
        self.written(self.now)
    }

    /// The time of the run, as the process reckons it.
    fn run_time(&self) -> Timestamp {
        let elapsed = |since: Timestamp| Duration::try_from(self.now.duration_since(since)).unwrap();
        let time = self.memory.time.as_ref();
        time.map_or(self.now, |(since, time)| {
            time.borrow_mut().look(self.clock(), elapsed(*since))
        })
    }

    fn place(&self, written: Timestamp) -> Timestamp {
        let time = self.memory.time.as_ref();
        time.map_or(written, |(_, time)| time.borrow_mut().place(written))
    }

    fn place_past(&self, written: Timestamp) -> Timestamp {
        let time = self.memory.time.as_ref();
        time.map_or(written, |(_, time)| time.borrow_mut().place_past(written))
    }

    fn begin_to_look(&mut self) {
        let written = newest_moment(&self.status);
        let (now, time) = (self.now, EvenTime::new(self.clock(), self.begun, written));
        self.memory.time.get_or_insert((now, RefCell::new(time)));
    }

    /// The operator's process dies: nothing but the cluster remembers.
    pub(super) fn crash(&mut self) {
        let known = std::mem::take(&mut self.memory).freed;
        let unnamed: Vec<Freed> = known.into_iter().filter(|freed| self.named(freed) == 0).collect();
        self.died_unnamed.extend(unnamed);
    }

    /// One step of the operator; with `crash_after` it dies after that many effects and writes no status.
    pub(super) fn reconcile(&mut self, crash_after: Option<usize>) {
        if self.released {
            return;
        }
        self.begin_to_look();
        let decision = decide(&self.observe(), self.run_time());
        for (done, effect) in decision.effects.iter().enumerate() {
            if crash_after == Some(done) {
                return self.crash();
            }
            self.apply(effect);
        }
        if crash_after.is_some() {
            return self.crash();
        }
        self.write(decision);
    }

    fn is_disturbed(&self) -> bool {
        self.restores_before < self.script.disturbed
    }

    fn write(&mut self, decision: Decision) {
        if self.status.attempt != decision.status.attempt {
            self.memory = Memory::default();
        }
        self.status = decision.status;
        self.released = decision.release;
    }

    /// The world takes one step: Velero, kubelets, controllers, fetches and checks get on with what they have.
    pub(super) fn advance(&mut self) {
        self.let_sandboxes_go();
        let is_disturbed = self.is_disturbed();
        let clock = self.clock();
        if let Some(restore) = self.restore.as_mut().filter(|_| self.script.velero_works) {
            restore.phase = match restore.phase {
                RestorePhase::New => {
                    restore.started = Some(clock);
                    RestorePhase::InProgress
                }
                RestorePhase::InProgress => {
                    restore.completed = Some(clock);
                    self.restored = Some(self.now);
                    restore.reason = Some("said so".into());
                    if is_disturbed {
                        RestorePhase::PartiallyFailed
                    } else {
                        self.script.restore_ends
                    }
                }
                ended => ended,
            };
            restore.phase_text = format!("{:?}", restore.phase);
        }
        if let Some(steps) = &mut self.memory.asked_contents {
            *steps = steps.saturating_add(1);
        }
        self.memory.looked |= self.memory.looks;
        self.memory.outcome |= self.memory.asked_outcome;
        self.memory.untamed |= self.memory.asked_untamed;
        self.memory.checked |= self.memory.checking.is_some_and(|begun| self.is_answered(begun));
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::MakeSandbox(plan) => {
                self.sandboxes.entry(plan.name.clone()).or_default();
            }
            Effect::CreateRestore(plan) => {
                let mapped = plan.mapping.values().all(|s| self.sandboxes.contains_key(s));
                if !mapped {
                    assert!(
                        self.were_deleted || self.was_edited,
                        "a Restore is only made when its sandboxes stand"
                    );
                    self.memory.no_sandbox = true;
                    return;
                }
                self.restore.get_or_insert_with(|| RestoreSeen {
                    phase: RestorePhase::New,
                    phase_text: String::new(),
                    started: None,
                    completed: None,
                    errors: 0,
                    warnings: 1,
                    progress: Some((3, 3)),
                    reason: None,
                });
            }
            Effect::Watch(_) => {
                let now = self.run_time();
                self.memory.watching.get_or_insert(now);
            }
            Effect::FetchContents { .. } => drop(self.memory.asked_contents.get_or_insert(0)),
            Effect::ForgetContents => self.memory.asked_contents = None,
            Effect::FetchSource { .. } => self.memory.looks = true,
            Effect::FetchOutcome { .. } => self.memory.asked_outcome = true,
            Effect::LookInto { .. } => self.memory.asked_untamed = true,
            Effect::FetchDelay { read, .. } => self.memory.asked_delay = Some(read.is_some()),
            Effect::StartChecks { .. } => drop(self.memory.checking.get_or_insert(self.now)),
            Effect::RemoveSandbox(name) => self.remove_sandbox(name),
            Effect::ReleaseSandbox(name) => self.release_sandbox(name),
            Effect::RemoveOutside(_) if self.storage_is_down => {}
            Effect::RemoveOutside(left) => self.remove_outside(left),
            Effect::FreeSandbox(name) => {
                self.unguard(name);
                self.freed_in_time.insert(name.clone());
            }
            Effect::CancelDataMovement(_) | Effect::CollectLogs { .. } => {}
        }
    }
}

pub(super) fn contents() -> BackupContents {
    let object = |kind: &str, name: &str| ObjectId {
        kind: kind.into(),
        name: name.into(),
    };
    let objects = [
        object("apps/v1/Deployment", "web"),
        object("v1/Secret", "s"),
        object("v1/PersistentVolumeClaim", "d"),
    ];
    BackupContents {
        objects: [(SOURCE.to_owned(), objects.into())].into(),
        volumes: vec![VolumeInfo {
            pvc_name: "d".into(),
            pvc_namespace: SOURCE.into(),
            backup_method: "PodVolumeBackup".into(),
            ..VolumeInfo::default()
        }],
        ..BackupContents::default()
    }
}
