//! The index of all reports, fed by the watch over them, and who is told of changes.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use kube::runtime::watcher::Event;
use kymaros_crds::RestoreReport;
use kymaros_webhooks::validate::TestName;
use tokio::sync::broadcast;

use super::{
    index::Index,
    run::{Run, RunName},
};
use crate::fleet::{cluster::ClusterName, live::LiveRun};

/// Changes that a slow reader may be behind before it is told to look at everything again.
const BEHIND: usize = 256;

/// What happened to a run.
#[derive(Clone, Debug)]
pub enum RunChange {
    /// It is new or has changed.
    Changed(Arc<LiveRun>),
    /// Its report is gone.
    Gone(RunName),
    /// Everything is to be looked at again.
    All,
}

/// The index of all reports, and who is told of changes.
#[derive(Clone)]
pub struct RunLog {
    state: Arc<RwLock<State>>,
    changes: broadcast::Sender<RunChange>,
}

#[derive(Default)]
struct State {
    known: Index,
    /// The next full list while it comes in.
    coming: Index,
}

impl Default for RunLog {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            changes: broadcast::channel(BEHIND).0,
        }
    }
}

impl RunLog {
    /// Of reports that were listed once.
    #[must_use]
    pub fn of_list(reports: Vec<RestoreReport>) -> Self {
        let log = Self::default();
        log.look(&Event::Init);
        for report in reports {
            log.look(&Event::InitApply(report));
        }
        log.look(&Event::InitDone);
        log
    }

    /// Takes an event of the watch.
    pub fn look(&self, event: &Event<RestoreReport>) {
        {
            let mut state = self.write();
            match event {
                Event::Init => state.coming = Index::default(),
                Event::InitApply(report) => state.coming.put(Run::of(report, None)),
                Event::InitDone => {
                    let coming = std::mem::take(&mut state.coming);
                    state.known.replace_own(coming);
                }
                Event::Apply(report) => state.known.put(Run::of(report, None)),
                Event::Delete(report) => state.known.forget(&Run::of(report, None).name),
            }
        }
        if self.is_heard() {
            let change = match event {
                Event::Init | Event::InitApply(_) => return,
                Event::InitDone => RunChange::All,
                Event::Apply(report) => RunChange::Changed(Arc::new(LiveRun::of(report, None))),
                Event::Delete(report) => RunChange::Gone(Run::of(report, None).name),
            };
            self.tell(change);
        }
    }

    /// Takes a report of another cluster. Each by itself: nobody who asks waits for a whole list.
    pub fn put_of(&self, cluster: &ClusterName, report: &RestoreReport) {
        let run = Run::of(report, Some(cluster));
        self.write().known.put(run);
    }

    /// Forgets a report of another cluster.
    pub fn forget_of(&self, name: &RunName) {
        self.write().known.forget(name);
    }

    /// Whether somebody listens to changes.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// Tells whoever listens of a change.
    pub fn tell(&self, change: RunChange) {
        // Whoever listened may just have gone.
        let _ = self.changes.send(change);
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<RunChange> {
        self.changes.subscribe()
    }

    /// All runs of this cluster, oldest first.
    #[must_use]
    pub fn own(&self) -> Vec<Arc<Run>> {
        let is_own = |run: &&Arc<Run>| run.name.cluster.is_none();
        self.read(|index| index.all().filter(is_own).cloned().collect())
    }

    /// Runs of this cluster that go on.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Arc<Run>> {
        let is_own = |run: &&Arc<Run>| run.name.cluster.is_none();
        self.read(|index| index.live().filter(is_own).cloned().collect())
    }

    /// Runs of a test of this cluster, oldest first.
    #[must_use]
    pub fn of_test(&self, test: TestName) -> Vec<Arc<Run>> {
        self.read(|index| index.of_test(&test.into()).cloned().collect())
    }

    pub(in crate::fleet) fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner).known)
    }
}

#[cfg(test)]
mod tests {
    use kymaros_crds::RunPhase;

    use super::*;
    use crate::fleet::sample::report;

    #[tokio::test]
    async fn whoever_listens_is_told() {
        let log = RunLog::default();
        let mut changes = log.changes();
        let run = report("ops", "shop", 1, "pass", Some(95));
        log.look(&Event::Apply(run.clone()));
        let RunChange::Changed(told) = changes.recv().await.unwrap() else {
            panic!("a run changed");
        };
        assert_eq!((told.report.as_str(), told.score), ("shop-1", Some(95)));
        log.look(&Event::Delete(run));
        assert!(matches!(changes.recv().await.unwrap(), RunChange::Gone(_)));
    }
    #[test]
    fn what_goes_on_and_what_a_test_has_is_known_without_a_look_at_the_rest() {
        let log = RunLog::default();
        let mut over = report("ops", "shop", 1, "pass", Some(95));
        over.status.as_mut().unwrap().phase = Some(RunPhase::Completed);
        log.look(&Event::Apply(over));
        log.look(&Event::Apply(report("ops", "shop", 2, "", None)));
        let other = report("ops", "shop", 3, "", None);
        log.put_of(&"eu".parse().unwrap(), &other);
        let names = |all: Vec<Arc<Run>>| -> Vec<String> {
            all.into_iter().map(|run| run.name.name.to_string()).collect()
        };
        assert_eq!(names(log.unfinished()), ["shop-2"]);
        let shop = TestName {
            namespace: "ops".into(),
            name: "shop".into(),
        };
        assert_eq!(names(log.of_test(shop)), ["shop-1", "shop-2"]);
    }
}
