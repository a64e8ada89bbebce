//! The snapshot a decision is made from: plain data, no client.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kymaros_crds::{
    Cause, PreviousRun, RestoreReportStatus,
    domain::{Check, Test},
};

use super::{absent::absent, memory::Obstacle, queue::QueuePlace};
use crate::{
    checks::{Outcome, Target},
    logs::Collected,
    sandbox::{freed::Freed, leftovers::Leftovers, naming::RunIdentity, untamed::Untamed},
    source::SourceObjects,
    velero::{
        choose::{Chosen, NoBackup},
        movers::Mover,
        operations::ItemOperation,
        restore::RestorePhase,
        results::{BackupContents, RestoreResults, RestoredObjects},
    },
    workloads::{
        Trouble, Workload, WorkloadState, moments::Moments, outside::Outside, references::Reference,
    },
};

/// Where a report comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A test owns it, as every one that was made for a run.
    Test,
    /// Nobody does: it is a copy, or its test went without it.
    Stray,
}

/// Everything a decision about one run depends on, besides the time.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Names and UIDs.
    pub identity: RunIdentity,
    /// The status as stored.
    pub status: RestoreReportStatus,
    /// Somebody deletes the report.
    pub deleting: bool,
    /// The report still carries our finalizer.
    pub has_finalizer: bool,
    /// Where the report comes from.
    pub origin: Origin,
    /// The frozen spec this run is judged by, or why it cannot be read.
    pub settings: Result<Arc<Settings>, String>,
    /// Where the run stands among the others.
    pub place: QueuePlace,
    /// The backup of each source, as far as the Backups of the cluster tell.
    pub chosen: Vec<Result<Chosen, NoBackup>>,
    /// Backups that this run chose and that went before they were restored.
    pub lost_backups: Vec<String>,
    /// What each chosen backup holds.
    pub contents: Vec<Fetched<BackupContents>>,
    /// What the source namespaces of each backup hold now; asked for only where the test wants that comparison.
    pub sources: Vec<Fetched<SourceObjects>>,
    /// Our Restore of each source.
    pub restores: Vec<Option<RestoreSeen>>,
    /// What each Restore did.
    pub outcomes: Vec<Fetched<RestoreOutcome>>,
    /// What in the sandboxes of each Restore is not harmless; asked for only once that has ended.
    pub untamed: Vec<Fetched<Vec<Untamed>>>,
    /// Velero's server has no pod that is up.
    pub velero_is_down: bool,
    /// What each Restore may wait for; asked for only when one does not end in time.
    pub delays: Vec<Fetched<Delay>>,
    /// What came up; `None` until the watches are complete.
    pub workloads: Option<Came>,
    /// Since when this process looks after this try of the run.
    pub looks_since: Timestamp,
    /// Since when this process watches the sandboxes.
    pub watched_since: Option<Timestamp>,
    /// Checks that have ended since this process started.
    pub outcomes_of_checks: Vec<Outcome>,
    /// Something the cluster refused for good.
    pub obstacle: Option<Obstacle>,
    /// Logs and events, where the test asks for them.
    pub logs: Fetched<Collected>,
    /// Sandboxes that somebody deletes while the run needs them; not looked at while cleaning up.
    pub going: Vec<String>,
    /// What finalizers of other products held, until they were taken off.
    pub freed: BTreeSet<Freed>,
    /// Objects whose removal was refused when it was tried last, and in whose words.
    pub refused: BTreeMap<String, String>,
    /// What still carries the run's labels; only looked at while cleaning up.
    pub leftovers: Option<Leftovers>,
}

/// The frozen spec of a run, parsed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The test.
    pub test: Test,
    /// All checks: the policy's and the inline ones.
    pub checks: Vec<Check>,
    /// The policy that the test names and that did not exist when the run was made.
    pub missing_policy: Option<String>,
    /// The run that this one is compared with.
    pub previous: Option<PreviousRun>,
}

/// Something fetched in the background.
#[derive(Clone, Debug)]
pub enum Fetched<T> {
    /// Not asked for yet, or on its way.
    Pending,
    /// Here.
    Here(Arc<T>),
    /// It cannot be had; the reason.
    Unavailable(String),
}

impl<T> Fetched<T> {
    /// The value, when it is here.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Here(value) => Some(value),
            _ => None,
        }
    }

    /// Why it cannot be had.
    #[must_use]
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Unavailable(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether it may still come.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }
}

/// One of our Restores, as Velero reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreSeen {
    /// Where it stands.
    pub phase: RestorePhase,
    /// Velero's own word for the phase.
    pub phase_text: String,
    /// When Velero took it up.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Errors counted.
    pub errors: i64,
    /// Warnings counted.
    pub warnings: i64,
    /// Items restored and items in all.
    pub progress: Option<(i64, i64)>,
    /// Why it failed or was refused.
    pub reason: Option<String>,
}

impl RestoreSeen {
    /// Whether Velero gave up, or did not even begin.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.phase, RestorePhase::Failed | RestorePhase::FailedValidation)
    }
}

/// What a Restore that does not end in time may wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Its data movers, as far as they could be listed.
    pub movers: Vec<Mover>,
    /// What was read of its backup before could not be read again.
    pub storage_is_away: bool,
}

/// What a terminal Restore did, from Velero's artifacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOutcome {
    /// Object by object.
    pub restored: RestoredObjects,
    /// Errors and warnings.
    pub results: RestoreResults,
    /// What carried the data of its volumes; `None` when that could not be listed.
    pub movers: Option<Vec<Mover>>,
    /// What plugins did after the items were created; `None` when that could not be read.
    pub operations: Option<Vec<ItemOperation>>,
}

/// What came up in all sandboxes of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Came {
    /// Workloads of all sandboxes.
    pub workloads: Vec<Workload>,
    /// All pods by source namespace, as `Pod/name`, whoever answers for them.
    pub pods: BTreeSet<(String, String)>,
    /// What the sandboxes got without the backup, by source namespace, as `Kind/name`: from the cluster, or from a product that
    /// serves every namespace.
    pub made_there: BTreeSet<(String, String)>,
    /// When their pods took which step.
    pub moments: Moments,
    /// What they reference outside their own namespace, by source namespace.
    pub references: Vec<(String, Reference)>,
    /// What workloads may need outside of their sandboxes, by source namespace.
    pub outside: Vec<(String, Outside)>,
}

impl Came {
    /// Whether everything is ready.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        self.workloads.iter().all(Workload::is_ready)
    }

    /// The moment the last workload became ready.
    #[must_use]
    pub fn last_ready(&self) -> Option<Timestamp> {
        self.workloads.iter().filter_map(Workload::ready_since).max()
    }

    /// The same as a verdict takes it when it may not wait any longer: what has a pod that crashed more than once, and was not up
    /// for longer than before its last crash, is between two crashes and not ready. With a `settle` of zero nothing
    /// is waited for.
    #[must_use]
    pub fn judged_at(&self, now: Timestamp, settle: Duration) -> Self {
        let mut judged = self.clone();
        if settle.is_zero() {
            return judged;
        }
        let crashes = |w: &&mut Workload| {
            w.is_ready() && w.most_restarts > 1 && w.outlives.is_some_and(|outlives| outlives > now)
        };
        for workload in judged.workloads.iter_mut().filter(crashes) {
            let message = format!(
                "it crashed {} times, and was not up for longer than before its last crash when the time was up",
                workload.restarts
            );
            workload.state = WorkloadState::Pending(Trouble::new(Cause::Application, message));
        }
        judged
    }

    /// When everything that is ready will have stayed so for `settle`, and outlived its own last crash; with a `settle` of zero
    /// nothing is waited for. Kubernetes tells only the second in which something became ready: it may have been at the
    /// end of it.
    #[must_use]
    pub fn settles_at(&self, settle: Duration) -> Option<Timestamp> {
        const SECOND: Duration = Duration::from_secs(1);
        if settle.is_zero() {
            return self.last_ready();
        }
        let stays = self.last_ready().map(|last| after(last, settle + SECOND));
        let ready = self.workloads.iter().filter(|w| w.is_ready());
        let outlives = ready.filter_map(|w| w.outlives).max();
        stays.max(outlives)
    }
}

impl Observed {
    /// Whether nothing can change by waiting: each workload is ready, hopeless, or waits for data that Velero does not
    /// bring any more.
    #[must_use]
    pub fn is_decided(&self, targets: &[Target]) -> bool {
        use crate::workloads::WorkloadState::{Crashed, Crashing, Hopeless, Pending, Ready};
        let Some(came) = &self.workloads else { return false };
        came.workloads.iter().all(|w| match w.state {
            Ready(_) | Crashed(_) | Hopeless(_) => true,
            Pending(_) | Crashing { .. } => w.awaits_data && self.gave_up(targets, &w.source),
        })
    }

    /// Whether a data mover into the sandbox of a source ended without its data. A Restore that is over makes no other.
    fn gave_up(&self, targets: &[Target], source: &str) -> bool {
        let sandbox = targets.iter().find(|t| t.source == source).map(|t| &t.sandbox);
        let outcomes = self.outcomes.iter().filter_map(Fetched::get);
        let mut movers = outcomes.flat_map(|o| o.movers.iter().flatten());
        movers.any(|m| Some(&m.namespace) == sandbox && !m.is_done())
    }

    /// Workloads that Velero says it restored and that are not in their sandbox: not there yet, or deleted since.
    #[must_use]
    pub fn absent_workloads(&self, mapping: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let came = self.workloads.as_ref();
        let workloads = came.into_iter().flat_map(|c| &c.workloads);
        let pods = came.into_iter().flat_map(|c| &c.pods);
        let live: BTreeSet<(&str, &str)> = workloads
            .map(|w| (w.source.as_str(), w.object.as_str()))
            .chain(pods.map(|(source, pod)| (source.as_str(), pod.as_str())))
            .collect();
        let mut all = Vec::new();
        for (source, sandbox) in mapping {
            let restored = self
                .outcomes
                .iter()
                .filter_map(Fetched::get)
                .filter_map(|o| o.restored.objects.get(sandbox));
            let gone = restored.flat_map(|r| absent(r, |object| live.contains(&(source.as_str(), object))));
            all.extend(gone.map(|object| (source.clone(), object)));
        }
        all
    }
}

/// `moment + duration`, at most the end of time.
#[must_use]
pub fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration)
        .ok()
        .and_then(|d| moment.checked_add(d).ok())
        .unwrap_or(Timestamp::MAX)
}
