//! All reports, as far as lists and figures need them: an index fed by the watch over reports.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::RangeFrom,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{ResourceExt, runtime::watcher::Event};
use kymaros_crds::{
    Cause, LevelResult, RestoreReport, RunPhase, RunResult, Trigger,
    domain::{Source, duration},
};
use kymaros_webhooks::validate::TestName;
use tokio::sync::broadcast;

use super::{
    cluster::{ClusterName, TestKey},
    live::LiveRun,
};
use crate::{history::Ended, run::observe};

/// Changes that a slow reader may be behind before it is told to look at everything again.
const BEHIND: usize = 256;

/// A report by its name, then its namespace and its cluster: names are asked for without them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    /// Of the report.
    pub name: Arc<str>,
    /// Of its namespace.
    pub namespace: Arc<str>,
    /// Its cluster; none: this one.
    pub cluster: Option<ClusterName>,
}

/// `namespace/name`, with `cluster/` before it for one of another cluster.
impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cluster) = &self.cluster {
            write!(f, "{cluster}/")?;
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is kept of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The report.
    pub name: RunName,
    /// Name of the test.
    pub test: Arc<str>,
    /// When the report was made.
    pub created: Timestamp,
    /// Where the run stands.
    pub phase: RunPhase,
    /// Why it was made.
    pub trigger: Option<Trigger>,
    /// When it left the queue.
    pub started: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// The agreed recovery time.
    pub rto_target: Option<Duration>,
    /// Whether that was kept.
    pub within_sla: Option<bool>,
    /// The six levels, in their order.
    pub levels: [LevelResult; 6],
    /// Score of the run it was compared with.
    pub previous: Option<i32>,
    /// The namespaces it restores.
    pub sources: Box<[Arc<str>]>,
    /// Checks that passed, and all.
    pub checks: (u16, u16),
    /// When the oldest of its backups was taken.
    pub backup_taken: Option<Timestamp>,
    /// Whether each of its sources says how old its backup may be.
    pub has_max_age: bool,
    /// Whether it is worse than the run before.
    pub regressed: bool,
    /// Objects left behind, when cleanup has ended.
    pub leftovers: Option<i32>,
}

impl Run {
    /// What is kept of a report of a cluster.
    #[must_use]
    pub fn of(report: &RestoreReport, cluster: Option<&ClusterName>) -> Self {
        let status = report.status.clone().unwrap_or_default();
        let levels = status.validation_levels.unwrap_or_default();
        let rto = status.rto.as_ref();
        let time = |text: &String| duration::parse(text).ok();
        let spec = report.spec.test.as_ref();
        let sources: Vec<_> = spec
            .into_iter()
            .flat_map(Source::specs)
            .map(|(_, source)| source)
            .collect();
        let passed = status
            .checks
            .iter()
            .filter(|check| check.status == kymaros_crds::CheckResult::Pass)
            .count();
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let is_set = |age: &Option<String>| age.as_deref().is_some_and(|age| !age.trim().is_empty());
        Self {
            name: RunName {
                name: report.name_any().into(),
                namespace: report.namespace().unwrap_or_default().into(),
                cluster: cluster.cloned(),
            },
            test: report.spec.test_ref.as_str().into(),
            created: report.creation_timestamp().map_or(Timestamp::MIN, |at| at.0),
            phase: observe::phase(report),
            trigger: report.spec.trigger,
            started: status.started_at.as_ref().map(|at| at.0),
            ended: Ended::of(report),
            rto_target: rto
                .and_then(|rto| rto.target.as_ref().and_then(time))
                .or_else(|| spec?.sla.as_ref().and_then(|sla| time(&sla.max_rto))),
            within_sla: rto.map(|rto| rto.within_sla),
            levels: [
                levels.restore_integrity.status,
                levels.completeness.status,
                levels.pod_startup.status,
                levels.internal_health.status,
                levels.cross_namespace_deps.status,
                levels.rto_compliance.status,
            ],
            previous: report.spec.previous.as_ref().map(|previous| previous.score),
            sources: sources
                .iter()
                .flat_map(|source| &source.namespaces)
                .map(|namespace| namespace.name.as_str().into())
                .collect(),
            checks: (count(passed), count(status.checks.len())),
            backup_taken: status
                .source
                .iter()
                .chain(&status.sources)
                .filter_map(|backup| Some(backup.started.as_ref()?.0))
                .min(),
            has_max_age: spec.is_some() && sources.iter().all(|source| is_set(&source.max_age)),
            regressed: is_true(&status.conditions, "Regressed"),
            leftovers: status.leftovers,
        }
    }

    /// The name of its test.
    #[must_use]
    pub fn test_key(&self) -> TestKey {
        TestKey {
            cluster: self.name.cluster.clone(),
            test: TestName {
                namespace: self.name.namespace.to_string(),
                name: self.test.to_string(),
            },
        }
    }

    /// Whether it has ended and nothing of it goes on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == RunPhase::Completed
    }

    /// Its verdict.
    #[must_use]
    pub fn result(&self) -> Option<RunResult> {
        self.ended.map(|ended| ended.result)
    }

    /// Its score, when it has a verdict that says something about the backup.
    #[must_use]
    pub fn score(&self) -> Option<i32> {
        self.ended.and_then(|ended| ended.score)
    }

    /// Who is to blame.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.ended.and_then(|ended| ended.cause)
    }

    /// The measured recovery time.
    #[must_use]
    pub fn rto(&self) -> Option<Duration> {
        self.ended.and_then(|ended| ended.rto)
    }

    fn when(&self) -> When {
        (self.created, self.name.clone())
    }

    /// When it said something about its backup.
    fn said(&self) -> Option<When> {
        let ended = self.ended?;
        ended
            .result
            .is_conclusive()
            .then(|| (ended.at, self.name.clone()))
    }
}

fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

type When = (Timestamp, RunName);
type ByTime = BTreeMap<When, Arc<Run>>;

/// Runs, however they are asked for.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_name: BTreeMap<RunName, Arc<Run>>,
    by_time: ByTime,
    of_test: HashMap<TestKey, ByTime>,
    /// By cluster and namespace the runs that said something about its backups, by the moments of their verdicts.
    of_source: HashMap<Option<ClusterName>, HashMap<Arc<str>, ByTime>>,
    live: BTreeMap<RunName, Arc<Run>>,
}

impl Index {
    fn put(&mut self, run: Run) {
        self.forget(&run.name);
        self.insert(Arc::new(run));
    }

    fn insert(&mut self, run: Arc<Run>) {
        self.by_name.insert(run.name.clone(), run.clone());
        self.by_time.insert(run.when(), run.clone());
        let of_test = self.of_test.entry(run.test_key()).or_default();
        of_test.insert(run.when(), run.clone());
        if let Some(said) = run.said() {
            let of_cluster = self.of_source.entry(run.name.cluster.clone()).or_default();
            for source in &run.sources {
                let of_source = of_cluster.entry(source.clone()).or_default();
                of_source.insert(said.clone(), run.clone());
            }
        }
        if !run.is_over() {
            self.live.insert(run.name.clone(), run);
        }
    }

    fn forget(&mut self, name: &RunName) {
        let Some(run) = self.by_name.remove(name) else {
            return;
        };
        self.by_time.remove(&run.when());
        self.live.remove(name);
        if let (Some(said), Some(of_cluster)) = (run.said(), self.of_source.get_mut(&run.name.cluster)) {
            for source in &run.sources {
                let Some(of_source) = of_cluster.get_mut(source) else {
                    continue;
                };
                of_source.remove(&said);
                if of_source.is_empty() {
                    of_cluster.remove(source);
                }
            }
        }
        let test = run.test_key();
        if let Some(of_test) = self.of_test.get_mut(&test) {
            of_test.remove(&run.when());
            if of_test.is_empty() {
                self.of_test.remove(&test);
            }
        }
    }

    /// Takes a whole list of this cluster; what is known of others stays.
    fn replace_own(&mut self, mut whole: Self) {
        let others = self.by_name.values().filter(|run| run.name.cluster.is_some());
        for run in others {
            whole.insert(run.clone());
        }
        *self = whole;
    }

    /// All reports, oldest first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        self.by_time.values()
    }

    /// Reports made from a moment on, oldest first; all without one.
    pub(super) fn since(&self, since: Option<Timestamp>) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        let first = RunName {
            name: "".into(),
            namespace: "".into(),
            cluster: None,
        };
        let range: RangeFrom<When> = (since.unwrap_or(Timestamp::MIN), first)..;
        self.by_time.range(range).map(|(_, run)| run)
    }

    /// Reports of a test, oldest first.
    pub(super) fn of_test<'a>(
        &'a self,
        test: &TestKey,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<Run>> + use<'a> {
        self.of_test.get(test).into_iter().flat_map(BTreeMap::values)
    }

    /// Runs that said something about the backups of a namespace of a cluster, the oldest verdict first.
    pub(super) fn of_source(
        &self,
        cluster: Option<&ClusterName>,
        source: &str,
    ) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        let of_cluster = self.of_source.get(&cluster.cloned());
        let of_source = of_cluster.and_then(|sources| sources.get(source));
        of_source.into_iter().flat_map(BTreeMap::values)
    }

    /// The newest report of a test that has a verdict.
    pub(super) fn latest(&self, test: &TestKey) -> Option<&Arc<Run>> {
        self.of_test(test).rev().find(|run| run.ended.is_some())
    }

    /// The report of the same test with a verdict right before a run.
    pub(super) fn before(&self, run: &Run) -> Option<&Arc<Run>> {
        let of_test = self.of_test.get(&run.test_key())?;
        let older = of_test.range(..run.when()).rev().map(|(_, run)| run);
        older.into_iter().find(|run| run.score().is_some())
    }

    /// Reports of this name, by namespace and cluster.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Run>> {
        let first = RunName {
            name: name.into(),
            namespace: "".into(),
            cluster: None,
        };
        let named = self.by_name.range(first..).map(|(_, run)| run);
        named.take_while(move |run| &*run.name.name == name)
    }

    /// Runs that go on.
    pub(super) fn live(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.live.values()
    }
}

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

    pub(super) fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner).known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::{at, report};

    fn names<'a>(runs: impl Iterator<Item = &'a Arc<Run>>) -> Vec<String> {
        runs.map(|run| run.name.name.to_string()).collect()
    }

    #[test]
    fn reports_are_found_by_time_by_test_and_by_name() {
        let log = RunLog::default();
        log.look(&Event::Apply(report("ops", "shop", 2, "pass", Some(95))));
        log.look(&Event::Apply(report("ops", "shop", 1, "fail", Some(40))));
        log.look(&Event::Apply(report("dev", "shop", 1, "pass", Some(90))));
        log.read(|index| {
            assert_eq!(names(index.all()), ["shop-1", "shop-1", "shop-2"]);
            assert_eq!(names(index.since(Some(at(2)))), ["shop-2"]);
            let test = TestKey::from(TestName {
                namespace: "ops".into(),
                name: "shop".into(),
            });
            assert_eq!(names(index.of_test(&test)), ["shop-1", "shop-2"]);
            let latest = index.latest(&test).unwrap();
            assert_eq!(latest.score(), Some(95));
            assert_eq!(index.before(latest).unwrap().score(), Some(40));
            let homes: Vec<&str> = index.named("shop-1").map(|run| &*run.name.namespace).collect();
            assert_eq!(homes, ["dev", "ops"]);
            assert_eq!(index.named("shop").count(), 0);
        });
    }

    #[test]
    fn what_changes_moves_and_what_goes_is_gone() {
        let log = RunLog::default();
        let mut running = report("ops", "shop", 1, "", None);
        log.look(&Event::Apply(running.clone()));
        assert_eq!(log.read(|index| index.live().count()), 1);
        running.status.as_mut().unwrap().phase = Some(RunPhase::Completed);
        log.look(&Event::Apply(running.clone()));
        assert_eq!(
            log.read(|index| (index.live().count(), index.all().count())),
            (0, 1)
        );
        log.look(&Event::Delete(running.clone()));
        assert_eq!(
            log.read(|index| (index.all().count(), index.of_test.len())),
            (0, 0)
        );
        log.look(&Event::Apply(running));
        log.look(&Event::Init);
        assert_eq!(
            log.read(|index| index.all().count()),
            1,
            "until the new list is whole"
        );
        log.look(&Event::InitDone);
        assert_eq!(log.read(|index| index.all().count()), 0);
    }

    #[test]
    fn what_is_said_of_a_namespace_follows_its_reports() {
        let log = RunLog::default();
        let said = || {
            log.read(|index| {
                let runs = index.of_source(None, "shop");
                runs.map(|run| (run.name.name.to_string(), run.score()))
                    .collect::<Vec<_>>()
            })
        };
        let first = report("ops", "shop", 1, "fail", Some(40));
        log.look(&Event::Apply(first.clone()));
        log.look(&Event::Apply(report("ops", "shop", 2, "pass", Some(95))));
        let second = || ("shop-2".to_owned(), Some(95));
        assert_eq!(said(), [("shop-1".to_owned(), Some(40)), second()]);
        log.look(&Event::Apply(report("ops", "shop", 1, "pass", Some(90))));
        assert_eq!(
            said(),
            [("shop-1".to_owned(), Some(90)), second()],
            "another verdict"
        );
        log.look(&Event::Apply(report("ops", "shop", 1, "inconclusive", Some(51))));
        assert_eq!(said(), [second()], "a verdict that says nothing any more");
        log.look(&Event::Delete(report("ops", "shop", 2, "pass", Some(95))));
        log.look(&Event::Delete(first));
        assert!(said().is_empty());
        assert!(
            log.read(|index| index.of_source[&None].is_empty()),
            "nothing is kept of it"
        );
    }

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
}
