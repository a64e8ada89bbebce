//! What people look at: the API and the dashboard show what these functions say, and nothing else.
//!
//! - `runs`: an index of all reports, fed by the watch over them, so that no question reads 20,000 whole reports
//! - `cluster`, `remotes`, `packed`: other clusters: their runs are in the same index, their tests and reports in stores of
//!   their own
//! - `view`, `features`: who looks, and what their tier shows; the one place where a tier hides anything
//! - one file for each question; each is a pure function of the index, the stores and the view
//!
//! Nothing that keeps data safe is hidden: what runs, when, and how the latest run of each test ended is always shown.

mod alerts;
mod cluster;
mod clusters;
mod compliance;
mod coverage;
mod daily;
mod features;
mod found;
mod glance;
mod licensed;
mod live;
mod moments;
mod notified;
mod packed;
mod provider;
mod remotes;
mod reports;
mod results;
mod runs;
mod sandboxes;
mod schedules;
mod summary;
mod test;
mod upcoming;
mod view;

#[cfg(test)]
pub(crate) mod sample;

pub use alerts::Alert;
pub use cluster::{ClusterName, ClusterScope, FleetTest, Place, TestKey, cluster_word};
pub use clusters::{ClusterRow, ClusterState};
pub use compliance::{Compliance, Framework, Requirement, Standing};
pub use coverage::{Coverage, CoveredNamespace, Proof, Unproven, coverage_of_lists};
pub use daily::Day;
pub use features::{Closed, Feature, Features, UPGRADE};
pub use found::TestStanding;
pub use glance::Glance;
pub use licensed::{LicenseView, ending};
pub use live::LiveRun;
pub use moments::{duration_text, moment};
pub use notified::{Channel, Notified};
pub use packed::PackedReports;
pub use provider::Provider;
pub use remotes::{Contact, Reached, RefusedSecret, Remote, Roster};
pub use reports::{Logs, ReportFilter, left_out, shown};
pub use results::Results;
pub use runs::{Count, Run, RunChange, RunLog, RunName, Untold};
pub use sandboxes::{SandboxDefaults, Sandboxes, sandbox_of};
pub use schedules::ScheduleRow;
pub use summary::Summary;
pub use test::{HistoryEntry, RtoAnalytics, TestDetail, TestRow};
pub use upcoming::Upcoming;
pub use view::{Scope, Shown, View};

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use kymaros_crds::{LevelResult, RestoreReport, RestoreTest};
use kymaros_webhooks::{default::Defaults, validate::TestName};
use tokio::sync::watch;

use crate::{
    admission::Namespaces,
    license::License,
    notify,
    source::Wanted,
    stored::StoredReport,
    velero::{Backup, Schedule, StorageLocation},
};

/// Where the answers come from. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    /// All tests of this cluster.
    pub tests: Store<RestoreTest>,
    /// All reports of this cluster.
    pub reports: Store<StoredReport>,
    /// All reports of all clusters, as far as lists and figures need them.
    pub runs: RunLog,
    /// Other clusters.
    pub roster: watch::Receiver<Roster>,
    /// Backups in Velero's namespace.
    pub backups: Store<Backup>,
    /// Schedules in Velero's namespace.
    pub schedules: Store<Schedule>,
    /// Storage locations in Velero's namespace.
    pub locations: Store<StorageLocation>,
    /// Deployments in Velero's namespace.
    pub velero: Store<Deployment>,
    /// All namespaces.
    pub namespaces: Namespaces,
    /// The license that applies.
    pub license: watch::Receiver<License>,
    /// What tests leave open.
    pub defaults: Defaults,
    /// What sources are looked through for.
    pub wanted: Wanted,
    /// Where the operator runs.
    pub namespace: String,
    /// Where Velero runs.
    pub velero_namespace: String,
}

impl Fleet {
    /// How somebody sees the fleet now.
    #[must_use]
    pub fn view(&self, scope: Scope) -> View {
        View::new(self.license.borrow().tier(), scope, Timestamp::now())
    }

    /// Other clusters.
    #[must_use]
    pub fn others(&self) -> Roster {
        self.roster.borrow().clone()
    }

    /// The tests in view, by name.
    #[must_use]
    pub fn tests_in(&self, view: &View) -> Vec<FleetTest> {
        let mut tests = self.tests_of(view);
        tests.sort_by(|a, b| a.order().cmp(&b.order()));
        tests
    }

    /// The same in no order, for whoever counts them or has an order of their own.
    fn tests_of(&self, view: &View) -> Vec<FleetTest> {
        let mut tests = Vec::new();
        let mut take = |cluster: Option<&ClusterName>, store: &Store<RestoreTest>| {
            if view.clusters.holds(cluster) {
                let all = store.state().into_iter();
                let in_view = all.filter(|test| {
                    view.scope
                        .holds(test.metadata.namespace.as_deref().unwrap_or_default())
                });
                tests.extend(in_view.map(|stored| FleetTest {
                    cluster: cluster.cloned(),
                    stored,
                }));
            }
        };
        take(None, &self.tests);
        for remote in self.others().remotes.iter() {
            take(Some(&remote.name), &remote.tests);
        }
        tests
    }

    /// Where tests of this name are, sorted.
    #[must_use]
    pub fn places_of_test(&self, name: &str, view: &View) -> Vec<Place> {
        let mut places = Vec::new();
        let mut look = |cluster: Option<&ClusterName>, store: &Store<RestoreTest>| {
            let named = |test: &RestoreTest| {
                let namespace = test.metadata.namespace.as_deref().unwrap_or_default();
                test.metadata.name.as_deref() == Some(name) && view.shows(cluster, namespace)
            };
            let found = store.state_filter(named);
            places.extend(found.iter().filter_map(|test| {
                Some(Place {
                    cluster: cluster.cloned(),
                    namespace: test.namespace()?,
                })
            }));
        };
        look(None, &self.tests);
        for remote in self.others().remotes.iter() {
            look(Some(&remote.name), &remote.tests);
        }
        places.sort();
        places
    }

    /// A test of this cluster.
    #[must_use]
    pub fn test(&self, namespace: &str, name: &str) -> Option<Arc<RestoreTest>> {
        self.tests.get(&ObjectRef::new(name).within(namespace))
    }

    /// A test of some cluster.
    #[must_use]
    pub fn test_of(&self, cluster: Option<&ClusterName>, namespace: &str, name: &str) -> Option<FleetTest> {
        let key = ObjectRef::new(name).within(namespace);
        let stored = match cluster {
            None => self.tests.get(&key),
            Some(other) => self.others().remote(other)?.tests.get(&key),
        };
        Some(FleetTest {
            cluster: cluster.cloned(),
            stored: stored?,
        })
    }

    /// A whole report of some cluster, as it is stored.
    #[must_use]
    pub fn stored(
        &self,
        cluster: Option<&ClusterName>,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<RestoreReport>> {
        match cluster {
            None => self.reports.get(&ObjectRef::new(name).within(namespace))?.whole(),
            Some(other) => self.others().remote(other)?.reports.get(namespace, name),
        }
    }

    /// Whether there is a report of some cluster: without reading it.
    #[must_use]
    pub fn has_report(&self, cluster: Option<&ClusterName>, namespace: &str, name: &str) -> bool {
        let name = RunName {
            name: name.into(),
            namespace: namespace.into(),
            cluster: cluster.cloned(),
        };
        self.runs.read(|index| index.has(&name))
    }

    /// Where reports of this name are that the view shows, sorted.
    #[must_use]
    pub fn places_of_report(&self, name: &str, view: &View) -> Vec<Place> {
        let mut places: Vec<Place> = self.runs.read(|index| {
            let found = index
                .named(name)
                .filter(|run| reports::is_visible(index, run, view));
            let place = |run: &Arc<Run>| Place {
                cluster: run.name.cluster.clone(),
                namespace: run.name.namespace.to_string(),
            };
            found.map(place).collect()
        });
        places.sort();
        places
    }

    /// A report, as its tier shows it.
    #[must_use]
    pub fn report(&self, place: &Place, name: &str, view: &View) -> Option<Shown<Arc<RestoreReport>>> {
        let is_here = |run: &Run| {
            *run.name.namespace == *place.namespace
                && run.name.cluster == place.cluster
                && view.clusters.holds(place.cluster.as_ref())
        };
        let is_visible = self.runs.read(|index| {
            let mut found = index.named(name);
            found.any(|run| is_here(run) && reports::is_visible(index, run, view))
        });
        let report = self.stored(place.cluster.as_ref(), &place.namespace, name)?;
        is_visible.then(|| shown(&report, view))
    }

    /// Reports, newest first, as far as the tier looks back.
    #[must_use]
    pub fn reports(&self, filter: &ReportFilter, view: &View) -> Shown<Vec<Arc<Run>>> {
        self.runs.read(|index| reports::list(index, filter, view))
    }

    /// How runs of the last days ended.
    #[must_use]
    pub fn results(&self, days: u32, view: &View) -> Shown<Results> {
        self.runs.read(|index| results::results(index, days, view))
    }

    /// The whole report of a run in a list, as its tier shows it.
    #[must_use]
    pub fn whole(&self, run: &Run, view: &View) -> Option<Arc<RestoreReport>> {
        let name = &run.name;
        let stored = self.stored(name.cluster.as_ref(), &name.namespace, &name.name)?;
        Some(shown(&stored, view).what)
    }

    /// Figures over everything.
    #[must_use]
    pub fn summary(&self, view: &View) -> Summary {
        let tests = self.tests_of(view);
        self.runs.read(|index| summary::summary(index, &tests, view))
    }

    /// Figures by day, oldest first.
    #[must_use]
    pub fn daily(&self, days: u32, view: &View) -> Shown<Vec<Day>> {
        self.runs.read(|index| daily::daily(index, days, view))
    }

    /// All tests, by name.
    #[must_use]
    pub fn rows(&self, view: &View) -> Vec<TestRow> {
        let tests = self.tests_in(view);
        self.runs
            .read(|index| tests.iter().map(|test| test::row(index, test)).collect())
    }

    /// How each level of the latest verdict of a test was judged.
    #[must_use]
    pub fn levels(&self, test: &TestKey) -> Option<[LevelResult; 6]> {
        self.runs.read(|index| Some(index.latest(test)?.levels))
    }

    /// One test with its history, newest first.
    #[must_use]
    pub fn detail(&self, place: &Place, name: &str, view: &View) -> Option<TestDetail> {
        let test = self.test_of(place.cluster.as_ref(), &place.namespace, name)?;
        Some(self.runs.read(|index| test::detail(index, &test, view)))
    }

    /// Failures and regressions of the last hours, newest first.
    #[must_use]
    pub fn alerts(&self, hours: u32, view: &View) -> Shown<Vec<Alert>> {
        self.runs.read(|index| alerts::alerts(index, hours, view))
    }

    /// Next runs, soonest first; at most so many.
    #[must_use]
    pub fn upcoming(&self, most: usize, view: &View) -> Vec<Upcoming> {
        upcoming::upcoming(&self.tests_of(view), most, view)
    }

    /// Velero's Schedules of this cluster, by name, with the tests that somebody sees: those of `seen`, or none.
    #[must_use]
    pub fn schedules(&self, seen: Option<&Scope>) -> Vec<ScheduleRow> {
        let tests = seen.map_or_else(Vec::new, |scope| {
            let mut tests = self.tests.state();
            tests.retain(|test| scope.holds(&test.namespace().unwrap_or_default()));
            tests
        });
        schedules::schedules(&self.schedules.state(), &tests)
    }

    /// The license and what it opens.
    #[must_use]
    pub fn license(&self, view: &View) -> LicenseView {
        licensed::license(&self.license.borrow(), view.now)
    }

    /// Velero, as far as its objects tell.
    #[must_use]
    pub fn provider(&self, view: &View) -> Provider {
        provider::provider(
            &self.velero_namespace,
            (
                &self.backups.state(),
                &self.schedules.state(),
                &self.locations.state(),
            ),
            &self.velero.state(),
            view.now,
        )
    }

    /// What tests get where they leave something open, and the sandboxes there are.
    #[must_use]
    pub fn sandboxes(&self) -> Sandboxes {
        self.sandboxes_of(&Scope::All)
    }

    /// The same, of tests in some namespaces.
    #[must_use]
    pub fn sandboxes_of(&self, scope: &Scope) -> Sandboxes {
        let namespaces = self.namespaces.state();
        sandboxes::sandboxes(&self.defaults, &namespaces, &self.reports, scope)
    }

    /// Sandboxes of tests in some namespaces that no report in memory speaks for: names, and UIDs of their runs. Memory
    /// may not know of the newest runs.
    #[must_use]
    pub fn orphans(&self, scope: &Scope) -> Vec<(String, String)> {
        sandboxes::orphans(&self.namespaces.state(), &self.reports, scope)
    }

    /// Who is told of verdicts, by receiver; some are the operator's own.
    #[must_use]
    pub fn notified(&self, own: &notify::Defaults, view: &View) -> Notified {
        notified::notified(
            &self.tests_in(&view.clone().of_clusters(ClusterScope::Here)),
            own,
            view,
        )
    }

    /// The queue and the runs that go on: those that run first, then the queue in its order.
    #[must_use]
    pub fn live(&self, view: &View) -> Vec<LiveRun> {
        let names: Vec<RunName> = self.runs.read(|index| {
            let live = index.live().filter(|run| view.holds(&run.name));
            live.map(|run| run.name.clone()).collect()
        });
        let live = names.iter().filter_map(|name| {
            let report = self.stored(name.cluster.as_ref(), &name.namespace, &name.name)?;
            Some(LiveRun::of(&report, name.cluster.as_ref()))
        });
        let mut live: Vec<LiveRun> = live.collect();
        live.sort_by_cached_key(LiveRun::order);
        live
    }

    /// All clusters: this one, then the others by name, then what should be a way to one and is none.
    #[must_use]
    pub fn clusters(&self, view: &View) -> Shown<Vec<ClusterRow>> {
        let here = (self.tests.len(), self.reports.len());
        let mut seen = clusters::clusters(here, &self.others(), view);
        if view.scope != Scope::All {
            let tests = self.tests_in(view);
            self.runs
                .read(|index| clusters::narrow(&mut seen.what, &tests, index, view));
        }
        seen
    }

    /// Of each cluster in view that is away: since when what is shown of it may be old.
    #[must_use]
    pub fn away(&self, view: &View) -> Vec<String> {
        clusters::away(&self.others(), view)
    }

    /// The run of a test of this cluster that goes on.
    #[must_use]
    pub fn running(&self, test: &TestName) -> Option<String> {
        self.runs.read(|index| {
            let newest = index.of_test(&test.clone().into()).next_back()?;
            (!newest.is_over()).then(|| newest.name.name.to_string())
        })
    }
}
