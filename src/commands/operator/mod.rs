//! `kymaros operator`: wires watches, stores and controllers together.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, future};
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1::Namespace};
use kube::{
    Api, Client, Resource,
    api::PostParams,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        events::{Recorder, Reporter},
        reflector::{self, Store},
        watcher,
    },
};
use kymaros_crds::{HealthCheckPolicy, RestoreReport, RestoreTest, names};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    run::{self, RunContext, memory::Memories},
    sandbox::{
        objects::Operator,
        sweep::{self, SweepContext},
    },
    schedule::{self, ScheduleContext},
    telemetry::{self, LogFormat, health, health::Readiness},
    velero::{Backup, Restore},
    watches::{FirstList, FirstLists, Wakes, tolerant},
};

/// Longest time a graceful stop may take.
const DRAIN: Duration = Duration::from_secs(20);

/// Settings of the operator.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Namespace in which Velero runs
    #[arg(long, env = "KYMAROS_VELERO_NAMESPACE", default_value = "velero")]
    velero_namespace: String,
    /// How many runs may have sandboxes at the same time
    #[arg(long, env = "KYMAROS_CONCURRENT_RUNS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    concurrent_runs: u16,
    /// `ClusterRole` with the operator's rights inside a sandbox
    #[arg(long, env = "KYMAROS_SANDBOX_ROLE", default_value = "kymaros-sandbox")]
    sandbox_role: String,
    /// Address of /healthz and /readyz
    #[arg(
        long,
        env = "KYMAROS_HEALTH_PROBE_BIND_ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    health_probe_bind_address: SocketAddr,
    /// Format of the logs
    #[arg(long, env = "KYMAROS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// What is logged, for example "info" or "kymaros=debug,kube=info"
    #[arg(long, env = "KYMAROS_LOG", default_value = "info")]
    log: String,
}

/// Runs until a signal arrives; a second signal ends the process at once.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::init(args.log_format, &args.log)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let client = Client::try_default()
        .await
        .context("no cluster: neither a service account nor a kubeconfig works")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), velero_namespace = %args.velero_namespace, "starts");
    let readiness = Readiness::waiting_for(&["reports", "tests", "policies", "restores", "backups"]);
    let listener = TcpListener::bind(args.health_probe_bind_address)
        .await
        .with_context(|| format!("cannot listen on {}", args.health_probe_bind_address))?;
    let health = health::serve(listener, readiness.clone(), stop.clone().cancelled_owned());
    let operator = Operator {
        username: who_am_i(&client).await?,
        sandbox_role: args.sandbox_role.clone(),
    };
    let controllers = controllers(&args, &client, operator, &readiness, &stop)?;
    let work = future::join(health, controllers);
    let mut work = pin!(work);
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        (served, ()) = &mut work => served.context("the health server failed")?,
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

/// Starts every watch and controller; the future ends when all controllers have stopped.
fn controllers(
    args: &Args,
    client: &Client,
    operator: Operator,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let recorder = recorder(client);
    let (wakes, woken) = Wakes::new();
    let (tests, tests_writer) = reflector::store::<RestoreTest>();
    let (reports, reports_writer) = reflector::store::<RestoreReport>();
    let mut first = FirstLists::new(readiness.clone());
    let (first_tests, first_reports) = (first.of("tests"), first.of("reports"));
    let policies = watch_policies(client, &wakes, &tests, first.of("policies"));
    let restores = watch_restores(
        client,
        &args.velero_namespace,
        &wakes,
        &reports,
        first.of("restores"),
    );
    let backups = watch_backups(client, &args.velero_namespace, first.of("backups"));
    let synced = first.all();

    let run_context = Arc::new(RunContext {
        client: client.clone(),
        http: reqwest::Client::builder()
            .user_agent(concat!("kymaros/", env!("CARGO_PKG_VERSION")))
            .build()?,
        reports: reports.clone(),
        restores,
        backups,
        operator,
        velero_namespace: args.velero_namespace.clone(),
        concurrent_runs: usize::from(args.concurrent_runs),
        recorder: recorder.clone(),
        memories: Memories::default(),
        wakes: wakes.runs.clone(),
    });
    let schedule_context = Arc::new(ScheduleContext {
        client: client.clone(),
        reports: reports.clone(),
        policies,
        recorder,
    });
    let sweep_context = Arc::new(SweepContext {
        client: client.clone(),
        velero_namespace: args.velero_namespace.clone(),
    });

    let reports_stream = {
        let reports = reports.clone();
        tolerant(
            Api::all(client.clone()),
            watcher::Config::default(),
            log_invalid::<RestoreReport>,
        )
        .reflect(reports_writer)
        .inspect_ok(move |event| first_reports.look(event))
        .touched_objects()
        .inspect_ok(move |report| wakes.report_changed(report, &reports))
    };
    let runs = Controller::for_stream(reports_stream, reports)
        .with_config(controller::Config::default().concurrency(32))
        .reconcile_on(woken.runs)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            after(synced.clone(), run::controller::reconcile),
            try_again,
            run_context,
        )
        .for_each(|_| future::ready(()));

    let tests_stream = {
        let client = client.clone();
        let marks = move |invalid| drop(tokio::spawn(mark_invalid(client.clone(), invalid)));
        tolerant(
            Api::all(schedule_context.client.clone()),
            watcher::Config::default(),
            marks,
        )
        .reflect(tests_writer)
        .inspect_ok(move |event| first_tests.look(event))
        .touched_objects()
    };
    let schedules = Controller::for_stream(tests_stream, tests)
        .with_config(controller::Config::default().concurrency(16))
        .reconcile_on(woken.tests)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            after(synced.clone(), schedule::controller::reconcile),
            try_again,
            schedule_context,
        )
        .for_each(|_| future::ready(()));

    let of_ours =
        watcher::Config::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let sweeps = Controller::new(Api::<Namespace>::all(client.clone()), of_ours)
        .with_config(controller::Config::default().concurrency(4))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(after(synced, sweep::reconcile), try_again, sweep_context)
        .for_each(|_| future::ready(()));
    Ok(async move {
        future::join3(runs, schedules, sweeps).await;
    })
}

fn recorder(client: &Client) -> Recorder {
    let reporter = Reporter {
        controller: "kymaros".to_owned(),
        instance: pod_name(),
    };
    Recorder::new(client.clone(), reporter)
}

fn watch_policies(
    client: &Client,
    wakes: &Wakes,
    tests: &Store<RestoreTest>,
    first: FirstList,
) -> Store<HealthCheckPolicy> {
    let (wakes, tests) = (wakes.clone(), tests.clone());
    let api = Api::all(client.clone());
    keep(api, first, move |policy: &HealthCheckPolicy| {
        wakes.policy_changed(policy, &tests);
    })
}

fn watch_restores(
    client: &Client,
    velero: &str,
    wakes: &Wakes,
    reports: &Store<RestoreReport>,
    first: FirstList,
) -> Store<Restore> {
    let (wakes, reports) = (wakes.clone(), reports.clone());
    let api = Api::namespaced(client.clone(), velero);
    keep(api, first, move |restore: &Restore| {
        wakes.restore_changed(restore, &reports);
    })
}

fn watch_backups(client: &Client, velero: &str, first: FirstList) -> Store<Backup> {
    keep(Api::namespaced(client.clone(), velero), first, |_: &Backup| {})
}

/// A store that a watch of its own keeps up to date.
fn keep<K>(
    api: Api<DeserializeGuard<K>>,
    first: FirstList,
    on_change: impl Fn(&K) + Send + 'static,
) -> Store<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let stream = tolerant(api, watcher::Config::default(), log_invalid::<K>)
        .reflect(writer)
        .inspect_ok(move |event| first.look(event))
        .touched_objects();
    tokio::spawn(stream.for_each(move |object| {
        if let Ok(object) = object {
            on_change(&object);
        }
        future::ready(())
    }));
    store
}

/// A reconciler that begins only when every store has its first full list: a decision on half a world is wrong.
fn after<K, C, E, F>(
    synced: impl Future<Output = ()> + Clone + Send + Sync + 'static,
    reconcile: impl Fn(Arc<K>, Arc<C>) -> F + Clone + Send + Sync + 'static,
) -> impl Fn(Arc<K>, Arc<C>) -> futures::future::BoxFuture<'static, Result<Action, E>> + Clone
where
    K: Send + Sync + 'static,
    C: Send + Sync + 'static,
    E: Send + 'static,
    F: Future<Output = Result<Action, E>> + Send + 'static,
{
    move |object, context| {
        let (synced, reconcile) = (synced.clone(), reconcile.clone());
        Box::pin(async move {
            synced.await;
            reconcile(object, context).await
        })
    }
}

/// Errors here have passed the point where they could be told in a status: all of them are tried again.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the controller hands the object over"
)]
fn try_again<K: Resource<DynamicType = ()>, E: std::fmt::Display, C>(
    object: Arc<K>,
    error: &E,
    _: Arc<C>,
) -> Action {
    tracing::warn!(
        kind = %K::kind(&()),
        name = object.meta().name.as_deref(),
        namespace = object.meta().namespace.as_deref(),
        %error,
        "will be tried again",
    );
    Action::requeue(Duration::from_secs(2))
}

fn log_invalid<K: Resource<DynamicType = ()>>(invalid: InvalidObject) {
    let (name, namespace) = (invalid.metadata.name, invalid.metadata.namespace);
    tracing::error!(kind = %K::kind(&()), name, namespace, error = invalid.error, "a stored object cannot be read");
}

/// A stored test that does not even parse as JSON of its kind gets a condition on itself; everything else goes on.
async fn mark_invalid(client: Client, invalid: InvalidObject) {
    use kube::api::{Patch, PatchParams};
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let mut conditions = Vec::new();
    crate::condition::set(
        &mut conditions,
        "Ready",
        false,
        "Unreadable",
        &invalid.error,
        invalid.metadata.generation,
    );
    let patch = serde_json::json!({ "status": { "conditions": conditions } });
    log_invalid::<RestoreTest>(invalid);
    let api = Api::<DeserializeGuard<RestoreTest>>::namespaced(client, &namespace);
    if let Err(error) = api
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        tracing::warn!(%error, name, namespace, "the condition of an unreadable test could not be written");
    }
}

/// The user name the API server knows us by.
async fn who_am_i(client: &Client) -> anyhow::Result<String> {
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .context("the API server does not answer")?;
    let user = review.status.and_then(|s| s.user_info).and_then(|u| u.username);
    user.context("the API server does not say who we are")
}

fn pod_name() -> Option<String> {
    std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .ok()
}
