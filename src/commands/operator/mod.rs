//! `kymaros operator`: wires watches, stores, admission and controllers together.

mod api;
mod certificates;
mod controllers;
mod effective;
mod identity;
mod leadership;
mod metrics;
mod notifications;
mod settings;
mod warnings;
mod watched;

use std::{
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{FutureExt, TryStreamExt, future};
use kube::{
    Client,
    runtime::{
        events::Reporter,
        reflector::{self, Store},
    },
};
use kymaros_certs::Certificates;
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_webhooks::{Operator, default::Defaults};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    controllers::Gate,
    identity::{pod_name, who_am_i},
    warnings::Warnings,
    watched::{Changes, Indexes},
};
use crate::{
    admission::{self, AdmissionState, ClusterFacts, Stores},
    clusters,
    fleet::{Fleet, Roster, RunLog},
    license::{self, License, SigningSecret},
    metrics::{Answers, Clusters, Process, Runs, registry},
    notify::{self, Notifier},
    run::{RunContext, memory::Memories},
    sandbox::{objects, sweep::SweepContext},
    schedule::ScheduleContext,
    source::{self, kinds},
    telemetry::{self, events::Events, health, health::Readiness},
    velero::Backup,
    watches::{FirstLists, Wakes, keep_going},
};

pub(super) use self::settings::Args;

/// Whether there is a license.
const LICENSE: &str = "license";
/// What is to be known before the process is ready.
const WAITS_FOR: [&str; 11] = [
    "reports",
    "tests",
    "policies",
    "restores",
    "backups",
    "namespaces",
    "volumes",
    "velero",
    "schedules",
    "locations",
    LICENSE,
];
/// Longest time a graceful stop may take.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs until a signal arrives; a second signal ends the process at once.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::init(args.log_format, &args.log)?;
    let defaults = args.defaults.checked()?;
    let receivers = args.notifications.checked(&args.namespace)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let health_listener = listen(args.health_probe_bind_address, "health probes")?;
    let webhook_listener = listen(args.webhooks.webhook_bind_address, "webhooks")?;
    let metrics_listener = metrics::listener(&args.metrics)?;
    let api_listener = api::listener(&args.api)?;
    let client = Client::try_default()
        .await
        .context("no cluster: neither a service account nor a kubeconfig works")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), velero_namespace = %args.velero_namespace, "starts");
    let readiness = Readiness::waiting_for(&WAITS_FOR);
    let (certificates, keep_certificates) =
        Certificates::start(client.clone(), certificates::settings(&args)?, stop.clone())
            .context("TLS cannot be served")?;
    let (admission, follow_certificates) =
        certificates::follow(&certificates, readiness.clone(), stop.clone());
    let (license, follow_license) = license::watch(
        client.clone(),
        &args.namespace,
        &args.license_secret,
        SigningSecret::to_verify(),
    );
    let give_back = CancellationToken::new();
    let (leading, lead) = leadership::contend(&args, give_back.clone()).await?;
    tokio::spawn(ready_with_license(license.clone(), readiness.clone()));
    let events = Arc::new(Events::new(client.clone(), reporter()));
    let warnings = Warnings {
        events: events.clone(),
        pod: Warnings::pod(&args.namespace),
        expiry: certificates.expiry(),
        license: license.clone(),
        leading: leading.clone(),
    };
    let wiring = Wiring {
        args: &args,
        client: &client,
        events,
        username: who_am_i(&client).await?,
        defaults,
        receivers,
        readiness: &readiness,
        admission,
        license,
        leading: leading.clone(),
        stop: &stop,
    };
    let wired = wiring.wire()?;
    let others = Clusters::new(&wired.fleet, &leading);
    let shown = api::api(&args.api, wired.fleet, wired.notifier, &client, stop.clone()).await?;
    let pages = api::serve(api_listener, shown, stop.clone());
    let answers = Answers::default();
    let process = Process {
        expiry: certificates.expiry(),
        leading: leading.clone(),
    };
    let metrics = metrics::serve(
        metrics_listener,
        registry(&answers, process, wired.runs, others),
        metrics::served(&args.metrics, &certificates, &client),
        stop.clone(),
    );
    tokio::spawn(stop.clone().run_until_cancelled_owned(follow_license));
    tokio::spawn(stop.clone().run_until_cancelled_owned(warnings.tell()));
    tokio::spawn(leadership::stop_when_lost(leading, stop.clone()));

    let health = health::serve(health_listener, readiness, stop.clone().cancelled_owned());
    let webhooks = admission::serve(
        webhook_listener,
        certificates.server_config(),
        wired.facts,
        Arc::new(answers),
        stop.clone(),
    );
    // The lease is given back only when nothing acts any more.
    let acting = wired.controllers.map(|()| give_back.cancel());
    let mut work = pin!(future::join5(
        health,
        future::join3(webhooks, metrics, pages),
        keep_certificates,
        follow_certificates,
        future::join(acting, lead),
    ));
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        (health, (webhooks, metrics, pages), ..) = &mut work => {
            health.context("the health server failed")?;
            webhooks.context("the webhook server failed")?;
            metrics.context("the server of metrics failed")?;
            pages.context("the server of API and dashboard failed")?;
        }
        () = drained => tracing::warn!("something did not stop in time; the next start goes on where this one ends"),
    }
    tracing::info!("stopped");
    Ok(())
}

async fn stop_on_signal(stop: CancellationToken) {
    let signal = |kind| tokio::signal::unix::signal(kind);
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(tokio::signal::unix::SignalKind::terminate()),
        signal(tokio::signal::unix::SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received");
        return;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("stops; a second signal ends at once");
    stop.cancel();
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    std::process::exit(130);
}

/// What is not known yet is not refused, but nobody should have to try twice either.
async fn ready_with_license(mut license: watch::Receiver<License>, readiness: Readiness) {
    if license
        .wait_for(|license| license.known().is_some())
        .await
        .is_ok()
    {
        readiness.done(LICENSE);
    }
}

/// Everything that the parts of the operator are made of.
struct Wiring<'a> {
    args: &'a Args,
    client: &'a Client,
    events: Arc<Events>,
    username: String,
    defaults: Defaults,
    receivers: notify::Defaults,
    readiness: &'a Readiness,
    admission: watch::Receiver<AdmissionState>,
    license: watch::Receiver<License>,
    leading: watch::Receiver<bool>,
    stop: &'a CancellationToken,
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
        (tests, reports, backups): (&Store<RestoreTest>, &Store<RestoreReport>, &Store<Backup>),
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
    fn wire(self) -> anyhow::Result<Wired<impl Future<Output = ()> + use<>>> {
        let (args, client, operator) = (self.args, self.client, self.operator());
        let (wakes, woken) = Wakes::new();
        let (changes, count) = Changes::new();
        let indexes = Indexes::default();
        let (tests, tests_writer) = reflector::store::<RestoreTest>();
        let (reports, reports_writer) = reflector::store::<RestoreReport>();
        let mut first = FirstLists::new(self.readiness.clone());
        let report_stream = {
            let (wakes, reports) = (wakes.clone(), reports.clone());
            let watched = watched::reports(client, reports_writer, &indexes, &changes, first.of("reports"));
            keep_going(watched.inspect_ok(move |report| wakes.report_changed(report, &reports)))
        };
        let test_stream = keep_going(watched::tests(client, tests_writer, &indexes, first.of("tests")));
        let policies = watched::policies(client, &wakes, &tests, first.of("policies"));
        let velero = args.velero_namespace.as_str();
        let restores = watched::restores(client, velero, &wakes, &reports, &changes, first.of("restores"));
        let backups = watched::backups(client, velero, first.of("backups"));
        let (namespaces, sandboxes) =
            watched::namespaces(client, &wakes, &reports, &changes, first.of("namespaces"));
        let sandboxes = keep_going(sandboxes);
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
            reports: reports.clone(),
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
        tokio::spawn(wake_queue(self.admission.clone(), wakes.clone(), reports.clone()));

        let runs = RunContext {
            client: client.clone(),
            http: for_artifacts()?,
            reports: reports.clone(),
            restores,
            backups,
            velero: stores.velero.clone(),
            namespaces: namespaces.clone(),
            admission: self.admission,
            operator: in_sandboxes(args, &self.username),
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
            policies,
            events: self.events,
            defaults: self.defaults.clone(),
        };
        let sweeps = SweepContext {
            client: client.clone(),
            velero_namespace: args.velero_namespace.clone(),
        };
        let facts = ClusterFacts {
            operator,
            defaults: self.defaults,
            license: self.license,
            stores,
            changes: count,
        };
        let controllers = future::join4(
            controllers::runs(&gate, Arc::new(runs), report_stream, woken.runs),
            controllers::notices(&gate, notices.clone(), reports, woken.notices),
            controllers::schedules(&gate, Arc::new(schedules), test_stream, tests, woken.tests),
            controllers::sweeps(&gate, Arc::new(sweeps), sandboxes, namespaces),
        );
        Ok(Wired {
            notifier: notices.notifier.clone(),
            facts: Arc::new(facts),
            runs: told,
            fleet,
            controllers: async move {
                controllers.await;
            },
        })
    }
}

/// The parts of the operator.
struct Wired<F> {
    /// Of admission.
    facts: Arc<ClusterFacts>,
    /// What metrics tell of runs.
    runs: Runs,
    /// What people look at.
    fleet: Fleet,
    /// Tells receivers of notifications.
    notifier: Notifier,
    /// Ends when all controllers have stopped.
    controllers: F,
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
async fn wake_queue(
    mut admission: watch::Receiver<AdmissionState>,
    wakes: Wakes,
    reports: reflector::Store<RestoreReport>,
) {
    while admission.changed().await.is_ok() {
        wakes.queue_changed(&reports);
    }
}

fn listen(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address} for {what}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn reporter() -> Reporter {
    Reporter {
        controller: "kymaros".to_owned(),
        instance: pod_name(),
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
