//! What people look at: the API and the dashboard show what these functions say, and nothing else.
//!
//! - `runs`: an index of all reports, fed by the watch over them, so that no question reads 20,000 whole reports
//! - `view`, `features`: who looks, and what their tier shows; the one place where a tier hides anything
//! - one file for each question; each is a pure function of the index, the stores and the view
//!
//! Nothing that keeps data safe is hidden: what runs, when, and how the latest run of each test ended is always shown.

mod alerts;
mod compliance;
mod coverage;
mod daily;
mod features;
mod licensed;
mod live;
mod moments;
mod notified;
mod provider;
mod reports;
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
pub use compliance::{Compliance, Framework, Requirement, Standing};
pub use coverage::{Coverage, CoveredNamespace, Proof, coverage_of_lists};
pub use daily::Day;
pub use features::{Closed, Feature, Features, UPGRADE};
pub use licensed::{LicenseView, ending};
pub use live::LiveRun;
pub use moments::{duration_text, moment};
pub use notified::{Channel, Notified};
pub use provider::Provider;
pub use reports::{Logs, ReportFilter, shown};
pub use runs::{Run, RunChange, RunLog, RunName};
pub use sandboxes::{SandboxDefaults, Sandboxes, orphans};
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
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_webhooks::{default::Defaults, validate::TestName};
use tokio::sync::watch;

use crate::{
    admission::Namespaces,
    license::License,
    velero::{Backup, Schedule, StorageLocation},
};

/// Where the answers come from. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    /// All tests.
    pub tests: Store<RestoreTest>,
    /// All reports, whole.
    pub reports: Store<RestoreReport>,
    /// All reports, as far as lists and figures need them.
    pub runs: RunLog,
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

    /// The tests in view, by name.
    #[must_use]
    pub fn tests_in(&self, view: &View) -> Vec<Arc<RestoreTest>> {
        let mut tests = self.tests.state();
        tests.retain(|test| view.scope.holds(&test.namespace().unwrap_or_default()));
        tests.sort_by_cached_key(|test| (test.name_any(), test.namespace()));
        tests
    }

    /// Namespaces with a test of this name, sorted.
    #[must_use]
    pub fn homes_of_test(&self, name: &str, view: &View) -> Vec<String> {
        let named = |test: &RestoreTest| {
            test.metadata.name.as_deref() == Some(name)
                && view
                    .scope
                    .holds(test.metadata.namespace.as_deref().unwrap_or_default())
        };
        let mut homes: Vec<String> = self
            .tests
            .state_filter(named)
            .iter()
            .filter_map(|test| test.namespace())
            .collect();
        homes.sort();
        homes
    }

    /// A test.
    #[must_use]
    pub fn test(&self, namespace: &str, name: &str) -> Option<Arc<RestoreTest>> {
        self.tests.get(&ObjectRef::new(name).within(namespace))
    }

    /// Namespaces with a report of this name that the view shows, sorted.
    #[must_use]
    pub fn homes_of_report(&self, name: &str, view: &View) -> Vec<String> {
        self.runs.read(|index| {
            let found = index
                .named(name)
                .filter(|run| reports::is_visible(index, run, view));
            found.map(|run| run.name.namespace.to_string()).collect()
        })
    }

    /// A report, as its tier shows it.
    #[must_use]
    pub fn report(&self, namespace: &str, name: &str, view: &View) -> Option<Shown<Arc<RestoreReport>>> {
        let is_visible = self.runs.read(|index| {
            let mut found = index.named(name);
            found.any(|run| &*run.name.namespace == namespace && reports::is_visible(index, run, view))
        });
        let report = self.reports.get(&ObjectRef::new(name).within(namespace))?;
        is_visible.then(|| shown(&report, view))
    }

    /// Reports, newest first, as far as the tier looks back.
    #[must_use]
    pub fn reports(&self, filter: &ReportFilter, view: &View) -> Shown<Vec<Arc<Run>>> {
        self.runs.read(|index| reports::list(index, filter, view))
    }

    /// The whole report of a run in a list, as its tier shows it.
    #[must_use]
    pub fn whole(&self, run: &Run, view: &View) -> Option<Arc<RestoreReport>> {
        let key = ObjectRef::new(&run.name.name).within(&run.name.namespace);
        Some(shown(&self.reports.get(&key)?, view).what)
    }

    /// Figures over everything.
    #[must_use]
    pub fn summary(&self, view: &View) -> Summary {
        let tests = self.tests_in(view);
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

    /// One test with its history, newest first.
    #[must_use]
    pub fn detail(&self, namespace: &str, name: &str, view: &View) -> Option<TestDetail> {
        let test = self.test(namespace, name)?;
        Some(self.runs.read(|index| test::detail(index, &test, view)))
    }

    /// Failures and regressions of the last hours, newest first.
    #[must_use]
    pub fn alerts(&self, hours: u32, view: &View) -> Shown<Vec<Alert>> {
        self.runs.read(|index| alerts::alerts(index, hours, view))
    }

    /// Next runs, soonest first.
    #[must_use]
    pub fn upcoming(&self, view: &View) -> Vec<Upcoming> {
        upcoming::upcoming(&self.tests_in(view), view)
    }

    /// Velero's Schedules, by name.
    #[must_use]
    pub fn schedules(&self) -> Vec<ScheduleRow> {
        schedules::schedules(&self.schedules.state(), &self.tests.state())
    }

    /// Namespaces with a backup or a test, and the age of their proof; the unproven first.
    #[must_use]
    pub fn coverage(&self, view: &View) -> Coverage {
        let tests = self.tests_in(view);
        let backups = self.backups.state();
        let namespaces =
            coverage::backed_up(&self.namespaces.state(), &self.namespace, &self.velero_namespace);
        self.runs
            .read(|index| coverage::coverage(index, &tests, &backups, &namespaces, view))
    }

    /// What a framework asks, held against the last days.
    ///
    /// # Errors
    /// [`Closed`] when the tier does not hold it.
    pub fn compliance(&self, framework: Framework, days: u32, view: &View) -> Result<Compliance, Closed> {
        view.require(Feature::Compliance)?;
        let tests = self.tests_in(view);
        let coverage = self.coverage(view);
        Ok(self
            .runs
            .read(|index| compliance::compliance(index, &tests, &coverage, framework, days, view)))
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
        sandboxes::sandboxes(&self.defaults, &self.namespaces.state(), &self.reports)
    }

    /// Who is told of verdicts, by receiver.
    #[must_use]
    pub fn notified(&self, view: &View) -> Notified {
        notified::notified(&self.tests_in(view))
    }

    /// The queue and the runs that go on: those that run first, then the queue in its order.
    #[must_use]
    pub fn live(&self, view: &View) -> Vec<LiveRun> {
        let names: Vec<RunName> = self.runs.read(|index| {
            let live = index.live().filter(|run| view.scope.holds(&run.name.namespace));
            live.map(|run| run.name.clone()).collect()
        });
        let reports = names.iter().filter_map(|name| {
            self.reports
                .get(&ObjectRef::new(&name.name).within(&name.namespace))
        });
        let mut live: Vec<LiveRun> = reports.map(|report| LiveRun::of(&report)).collect();
        live.sort_by_cached_key(LiveRun::order);
        live
    }

    /// The run of a test that goes on.
    #[must_use]
    pub fn running(&self, test: &TestName) -> Option<String> {
        self.runs.read(|index| {
            let newest = index.of_test(test).next_back()?;
            (!newest.is_over()).then(|| newest.name.name.to_string())
        })
    }
}
