//! The parts of the operator, each made with the watches that it works with.

use std::sync::Arc;

use futures::{FutureExt, future};
use kube::{
    Client,
    runtime::reflector::{self, Store},
};
use kymaros_crds::RestoreTest;
use kymaros_webhooks::{Operator, default::Defaults};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Args,
    controllers::{self, Gate},
    watched::{self, Changes, Indexes},
};
use crate::{
    admission::{AdmissionState, ClusterFacts, Stores},
    clusters,
    fleet::{Fleet, Roster, RunLog},
    license::License,
    metrics::Runs,
    notify::{self, Notifier},
    run::{RunContext, memories::Memories},
    sandbox::{objects, resolvers, sweep::SweepContext},
    schedule::ScheduleContext,
    source::{self, kinds},
    stored::{self, StoredReport},
    telemetry::{events::Events, health::Readiness},
    velero::Backup,
    watches::{FirstLists, Wakes, keep_going},
};

/// Everything that the parts of the operator are made of.
pub(super) struct Wiring<'a> {
    pub(super) args: &'a Args,
    pub(super) client: &'a Client,
    pub(super) events: Arc<Events>,
    pub(super) username: String,
    pub(super) defaults: Defaults,
    pub(super) receivers: notify::Defaults,
    pub(super) readiness: &'a Readiness,
    pub(super) admission: watch::Receiver<AdmissionState>,
    pub(super) license: watch::Receiver<License>,
    pub(super) leading: watch::Receiver<bool>,
    pub(super) stop: &'a CancellationToken,
}

impl Wiring<'_> {
    /// Who the operator is to admission.
    fn operator(&self) -> Operator {
        let args = self.args;
        Operator {
            username: self.username.clone(),
            namespace: args.namespace.clone(),
            velero_namespace: args.velero_namespace.clone(),
            lease: args.lease.clone(),
            certificate_secret: args.webhooks.certificate_secret.clone(),
            priority_class: args.sandbox_priority_class.clone(),
            writes_tests: args.api.writes_by_operator(),
        }
    }

    /// What people look at, with the watches that are for them alone.
    fn fleet(
        &self,
        (tests, reports, backups): (&Store<RestoreTest>, &Store<StoredReport>, &Store<Backup>),
        stores: &Stores,
        runs: RunLog,
        first: &mut FirstLists,
    ) -> Fleet {
        let (client, velero) = (self.client, self.args.velero_namespace.as_str());
        Fleet {
            roster: self.roster(&runs),
            tests: tests.clone(),
            reports: reports.clone(),
            runs,
            backups: backups.clone(),
            schedules: watched::schedules(client, velero, first.of("schedules")),
            locations: watched::locations(client, velero, first.of("locations")),
            velero: stores.velero.clone(),
            namespaces: stores.namespaces.clone(),
            license: self.license.clone(),
            defaults: self.defaults.clone(),
            wanted: wanted(self.args),
            namespace: self.args.namespace.clone(),
            velero_namespace: velero.to_owned(),
        }
    }

    /// Other clusters; none unless the installation is told to look for them.
    fn roster(&self, runs: &RunLog) -> watch::Receiver<Roster> {
        if !self.args.clusters {
            return watch::channel(Roster::default()).1;
        }
        let (roster, follow) = clusters::watch(
            self.client.clone(),
            &self.args.namespace,
            self.license.clone(),
            runs.clone(),
        );
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(follow));
        roster
    }

    /// Starts every watch, and makes what works with them.
    pub(super) fn wire(self) -> anyhow::Result<Wired<impl Future<Output = ()> + use<>>> {
        let (args, client, operator) = (self.args, self.client, self.operator());
        let (wakes, woken) = Wakes::new();
        let (changes, count) = Changes::new();
        let indexes = Indexes::default();
        let (tests, tests_writer) = reflector::store::<RestoreTest>();
        let (reports, keeper) = stored::store();
        let mut first = FirstLists::new(self.readiness.clone());
        let (log, woken_by) = (indexes.log.clone(), (&wakes, &changes));
        let test_stream = keep_going(watched::tests(client, tests_writer, &indexes, first.of("tests")));
        let policies = watched::policies(client, &wakes, &tests, first.of("policies"));
        let velero = args.velero_namespace.as_str();
        let restores = watched::restores(client, velero, (&reports, &log), woken_by, first.of("restores"));
        let backups = watched::backups(client, velero, first.of("backups"));
        let (namespaces, sandboxes) =
            watched::namespaces(client, &wakes, &reports, &changes, first.of("namespaces"));
        let sandboxes = keep_going(sandboxes);
        let (kept, made) = ((&reports, keeper), (&namespaces, &restores));
        let report_stream = watched::reports(client, kept, &indexes, made, woken_by, first.of("reports"));
        let report_stream = keep_going(report_stream);
        let stores = Stores {
            uses: indexes.uses,
            policies: policies.clone(),
            durations: indexes.durations,
            runs: indexes.runs,
            restores: restores.clone(),
            namespaces: namespaces.clone(),
            volumes: watched::volumes(client, first.of("volumes")),
            velero: watched::velero_deployments(client, velero, first.of("velero")),
        };
        let told = Runs {
            log: indexes.log.clone(),
            tests: tests.clone(),
            seen: indexes.ended,
            leading: self.leading.clone(),
        };
        let fleet = self.fleet((&tests, &reports, &backups), &stores, indexes.log, &mut first);
        let gate = Gate {
            synced: first.all(),
            leading: self.leading,
            stop: self.stop.clone(),
        };
        tokio::spawn(wake_queue(self.admission.clone(), wakes.clone(), log.clone()));

        let runs = RunContext {
            client: client.clone(),
            http: for_artifacts()?,
            reports: reports.clone(),
            log: log.clone(),
            restores: restores.clone(),
            backups,
            velero: stores.velero.clone(),
            namespaces: namespaces.clone(),
            admission: self.admission,
            operator: in_sandboxes(args, &self.username),
            resolvers: resolvers::of_this_pod(),
            velero_namespace: args.velero_namespace.clone(),
            wanted: wanted(args),
            concurrent_runs: usize::from(args.concurrent_runs),
            events: self.events.clone(),
            memories: Memories::default(),
            wakes: wakes.runs.clone(),
        };
        let notices = Arc::new(
            args.notifications
                .context(client, self.events.clone(), self.receivers)?,
        );
        let schedules = ScheduleContext {
            client: client.clone(),
            reports: reports.clone(),
            log,
            policies,
            events: self.events,
            defaults: self.defaults.clone(),
        };
        let sweeps = Arc::new(SweepContext {
            client: client.clone(),
            velero_namespace: args.velero_namespace.clone(),
        });
        let facts = ClusterFacts {
            operator,
            defaults: self.defaults,
            license: self.license,
            stores,
            changes: count,
        };
        let controllers = future::join5(
            controllers::runs(&gate, Arc::new(runs), report_stream, woken.runs),
            controllers::notices(&gate, notices.clone(), reports, woken.notices),
            controllers::schedules(&gate, Arc::new(schedules), test_stream, tests, woken.tests),
            controllers::sandbox_sweeps(&gate, sweeps.clone(), sandboxes, namespaces, woken.sandboxes),
            controllers::restore_sweeps(&gate, sweeps, restores, woken.restores),
        );
        Ok(Wired {
            notifier: notices.notifier.clone(),
            facts: Arc::new(facts),
            runs: told,
            fleet,
            controllers: controllers.map(drop),
        })
    }
}

/// The parts of the operator.
pub(super) struct Wired<F> {
    /// Of admission.
    pub(super) facts: Arc<ClusterFacts>,
    /// What metrics tell of runs.
    pub(super) runs: Runs,
    /// What people look at.
    pub(super) fleet: Fleet,
    /// Tells receivers of notifications.
    pub(super) notifier: Notifier,
    /// Ends when all controllers have stopped.
    pub(super) controllers: F,
}

/// Who the operator is in its sandboxes.
fn in_sandboxes(args: &Args, username: &str) -> objects::Operator {
    objects::Operator {
        username: username.to_owned(),
        sandbox_role: args.sandbox_role.clone(),
    }
}

/// Fetches what Velero keeps in its storage.
fn for_artifacts() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("kymaros/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Runs wait for admission; when it comes into place, they are looked at again.
async fn wake_queue(mut admission: watch::Receiver<AdmissionState>, wakes: Wakes, runs: RunLog) {
    while admission.changed().await.is_ok() {
        wakes.queue_changed(&runs);
    }
}

/// What a source is looked through for, as far as the installation lets us.
fn wanted(args: &Args) -> source::Wanted {
    let secrets = args.compare_secrets.then_some(kinds::SECRETS);
    source::Wanted {
        kinds: kinds::KINDS.iter().copied().chain(secrets).collect(),
        foreign: args.compare_resources.clone(),
    }
}
