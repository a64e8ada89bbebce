//! Runs, however they are asked for.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeFrom,
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    days::{Count, Days},
    ordered::{ByTest, Ordered},
    run::{Run, RunName, When},
};
use crate::fleet::cluster::{ClusterName, TestKey};

/// Runs, however they are asked for.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Index {
    by_name: BTreeMap<RunName, Arc<Run>>,
    by_time: BTreeMap<When, Arc<Run>>,
    by_day: Days,
    of_test: ByTest,
    /// By cluster and namespace the runs that said something about its backups, by the moments of their verdicts.
    of_source: HashMap<Option<ClusterName>, HashMap<Arc<str>, Ordered>>,
    live: BTreeMap<RunName, Arc<Run>>,
    live_of_test: ByTest,
}

impl Index {
    pub(super) fn put(&mut self, mut run: Run) {
        if let Some(other) = self.of_test.of(&run.test_key()).last() {
            run.share(other);
        }
        self.forget(&run.name);
        self.insert(Arc::new(run));
    }

    fn insert(&mut self, run: Arc<Run>) {
        self.by_name.insert(run.name.clone(), run.clone());
        self.by_time.insert(run.when(), run.clone());
        self.by_day.put(&run);
        self.of_test.put(run.clone());
        if run.said().is_some() {
            let of_cluster = self.of_source.entry(run.name.cluster.clone()).or_default();
            for source in run.sources.iter() {
                let of_source = of_cluster.entry(source.clone());
                of_source
                    .or_insert_with(|| Ordered::by(Run::said))
                    .put(run.clone());
            }
        }
        if !run.is_over() {
            self.live_of_test.put(run.clone());
            self.live.insert(run.name.clone(), run);
        }
    }

    pub(super) fn forget(&mut self, name: &RunName) {
        let Some(run) = self.by_name.remove(name) else {
            return;
        };
        self.by_time.remove(&run.when());
        self.live.remove(name);
        if let (Some(_), Some(of_cluster)) = (run.said(), self.of_source.get_mut(&run.name.cluster)) {
            for source in run.sources.iter() {
                let Some(of_source) = of_cluster.get_mut(source) else {
                    continue;
                };
                of_source.forget(&run);
                if of_source.all().is_empty() {
                    of_cluster.remove(source);
                }
            }
        }
        self.by_day.forget(&run);
        self.of_test.forget(&run);
        self.live_of_test.forget(&run);
    }

    /// Takes a whole list of this cluster; what is known of others stays.
    pub(super) fn replace_own(&mut self, mut whole: Self) {
        let others = self.by_name.values().filter(|run| run.name.cluster.is_some());
        for run in others {
            whole.insert(run.clone());
        }
        *self = whole;
    }

    /// All reports, oldest first.
    pub(in crate::fleet) fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        self.by_time.values()
    }

    /// Reports made from a moment on, oldest first; all without one.
    pub(in crate::fleet) fn since(
        &self,
        since: Option<Timestamp>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        let first = RunName {
            name: "".into(),
            namespace: "".into(),
            cluster: None,
        };
        let range: RangeFrom<When> = (since.unwrap_or(Timestamp::MIN), first)..;
        self.by_time.range(range).map(|(_, run)| run)
    }

    /// How those made on a day and after it ended: by day, cluster and namespace.
    pub(in crate::fleet) fn counted(
        &self,
        day: i64,
    ) -> impl Iterator<Item = (i64, &(Option<ClusterName>, Arc<str>), Count)> {
        self.by_day.from(day)
    }

    /// Reports of a test, oldest first.
    pub(in crate::fleet) fn of_test(&self, test: &TestKey) -> std::slice::Iter<'_, Arc<Run>> {
        self.of_test.of(test).iter()
    }

    /// Runs that said something about the backups of a namespace of a cluster, the oldest verdict first.
    pub(in crate::fleet) fn of_source(
        &self,
        cluster: Option<&ClusterName>,
        source: &str,
    ) -> impl DoubleEndedIterator<Item = &Arc<Run>> {
        let of_cluster = self.of_source.get(&cluster.cloned());
        let of_source = of_cluster.and_then(|sources| sources.get(source));
        of_source.into_iter().flat_map(Ordered::all)
    }

    /// The newest report of a test that has a verdict.
    pub(in crate::fleet) fn latest(&self, test: &TestKey) -> Option<&Arc<Run>> {
        self.of_test(test).rev().find(|run| run.ended.is_some())
    }

    /// The newest run of a test that goes on.
    pub(in crate::fleet) fn running(&self, test: &TestKey) -> Option<&Arc<Run>> {
        self.live_of_test.of(test).last()
    }

    /// The report of the same test with a verdict right before a run.
    pub(in crate::fleet) fn before(&self, run: &Run) -> Option<&Arc<Run>> {
        let mut older = self.of_test.before(run).iter().rev();
        older.find(|run| run.score().is_some())
    }

    /// Whether there is a report.
    pub(in crate::fleet) fn has(&self, name: &RunName) -> bool {
        self.by_name.contains_key(name)
    }

    /// Reports of this name, by namespace and cluster.
    pub(in crate::fleet) fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Run>> {
        let first = RunName {
            name: name.into(),
            namespace: "".into(),
            cluster: None,
        };
        let named = self.by_name.range(first..).map(|(_, run)| run);
        named.take_while(move |run| &*run.name.name == name)
    }

    /// Runs that go on.
    pub(in crate::fleet) fn live(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.live.values()
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use kymaros_crds::RunPhase;
    use kymaros_webhooks::validate::TestName;

    use super::*;
    use crate::fleet::{
        RunLog,
        sample::{at, log, report},
    };

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
        let test = Run::of(&running, None).test_key();
        let goes_on = || log.read(|index| index.running(&test).map(|run| run.phase));
        assert_eq!(goes_on(), Some(RunPhase::Restoring));
        running.status.as_mut().unwrap().phase = Some(RunPhase::Completed);
        log.look(&Event::Apply(running.clone()));
        assert_eq!(
            log.read(|index| (index.live().count(), index.all().count())),
            (0, 1)
        );
        assert_eq!(goes_on(), None);
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
    #[test]
    fn runs_of_a_test_share_their_texts() {
        let log = log([
            report("ops", "shop", 1, "fail", Some(40)),
            report("ops", "shop", 2, "pass", Some(95)),
        ]);
        log.read(|index| {
            let runs: Vec<_> = index.all().collect();
            assert!(Arc::ptr_eq(&runs[0].test, &runs[1].test));
            assert!(Arc::ptr_eq(&runs[0].name.namespace, &runs[1].name.namespace));
            assert!(Arc::ptr_eq(&runs[0].sources, &runs[1].sources));
            assert!(Arc::ptr_eq(&runs[0].backups, &runs[1].backups));
        });
        let mut moved = report("ops", "shop", 3, "pass", Some(95));
        let source = &mut moved.spec.test.as_mut().unwrap().backup_source;
        "blog".clone_into(&mut source.namespaces[0].name);
        log.look(&Event::Apply(moved));
        let sources = log.read(|index| index.all().next_back().unwrap().sources.clone());
        assert_eq!(&*sources[0], "blog", "it restored another namespace");
    }
}
