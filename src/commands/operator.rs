//! `kymaros operator`: wires watches, stores and controllers together.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt, channel::mpsc, future};
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1::Namespace};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PostParams,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        events::{Recorder, Reporter},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use kymaros_crds::{HealthCheckPolicy, RestoreReport, RestoreTest, names};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    run::{self, RunContext, memory::Memories, observe},
    sandbox::{
        objects::Operator,
        sweep::{self, SweepContext},
    },
    schedule::{self, ScheduleContext},
    telemetry::{self, LogFormat, health, health::Readiness},
    velero::{Backup, Restore, restore::RestorePhase},
    watches::tolerant,
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
    /// ClusterRole with the operator's rights inside a sandbox
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
    let velero = args.velero_namespace.as_str();
    let recorder = Recorder::new(
        client.clone(),
        Reporter {
            controller: "kymaros".to_owned(),
            instance: pod_name(),
        },
    );
    let (run_wakes, wake_runs) = mpsc::unbounded();
    let (test_wakes, wake_tests) = mpsc::unbounded();

    let (tests, tests_writer) = reflector::store::<RestoreTest>();
    let (reports, reports_writer) = reflector::store::<RestoreReport>();
    let (policies, policies_writer) = reflector::store::<HealthCheckPolicy>();
    let (restores, restores_writer) = reflector::store::<Restore>();
    let (backups, backups_writer) = reflector::store::<Backup>();

    let all = watcher::Config::default;
    let tests_stream = {
        let client = client.clone();
        tolerant(Api::all(client.clone()), all(), move |invalid| {
            tokio::spawn(mark_invalid(client.clone(), invalid));
        })
        .reflect(tests_writer)
        .touched_objects()
    };
    let reports_stream = {
        let (tests, queue) = (test_wakes.clone(), (run_wakes.clone(), reports.clone()));
        tolerant(Api::all(client.clone()), all(), log_invalid::<RestoreReport>)
            .reflect(reports_writer)
            .touched_objects()
            .inspect(move |report| {
                if let Ok(report) = report {
                    wake_test(&tests, report);
                    wake_queue(&queue.0, &queue.1);
                }
            })
    };
    let policies_stream = tolerant(Api::all(client.clone()), all(), log_invalid::<HealthCheckPolicy>)
        .reflect(policies_writer)
        .touched_objects();
    let restores_stream = tolerant(
        Api::namespaced(client.clone(), velero),
        all(),
        log_invalid::<Restore>,
    )
    .reflect(restores_writer)
    .touched_objects();
    let backups_stream = tolerant(
        Api::namespaced(client.clone(), velero),
        all(),
        log_invalid::<Backup>,
    )
    .reflect(backups_writer)
    .touched_objects();

    tokio::spawn(feed(policies_stream, {
        let tests = tests.clone();
        move |policy: &HealthCheckPolicy| wake_tests_of(&test_wakes, &tests, policy)
    }));
    tokio::spawn(feed(restores_stream, {
        let (wakes, reports) = (run_wakes.clone(), reports.clone());
        move |restore: &Restore| wake_run_of(&wakes, &reports, restore)
    }));
    tokio::spawn(feed(backups_stream, |_| {}));

    let run_context = Arc::new(RunContext {
        client: client.clone(),
        http: reqwest::Client::builder()
            .user_agent(concat!("kymaros/", env!("CARGO_PKG_VERSION")))
            .build()?,
        reports: reports.clone(),
        restores: restores.clone(),
        backups: backups.clone(),
        operator,
        velero_namespace: velero.to_owned(),
        concurrent_runs: usize::from(args.concurrent_runs),
        recorder: recorder.clone(),
        memories: Memories::default(),
        wakes: run_wakes,
    });
    let schedule_context = Arc::new(ScheduleContext {
        client: client.clone(),
        reports: reports.clone(),
        policies: policies.clone(),
        recorder,
    });
    let sweep_context = Arc::new(SweepContext {
        client: client.clone(),
        velero_namespace: velero.to_owned(),
    });

    let ready = readiness.clone();
    let synced = {
        let (tests, reports, policies) = (tests.clone(), reports.clone(), policies.clone());
        let (restores, backups) = (restores.clone(), backups.clone());
        async move {
            future::join5(
                sync("tests", &tests, &ready),
                sync("reports", &reports, &ready),
                sync("policies", &policies, &ready),
                sync("restores", &restores, &ready),
                sync("backups", &backups, &ready),
            )
            .await;
        }
    };
    let synced = future::FutureExt::shared(future::FutureExt::boxed(synced));
    tokio::spawn(synced.clone());

    let runs = Controller::for_stream(reports_stream, reports)
        .with_config(controller::Config::default().concurrency(32))
        .reconcile_on(wake_runs)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            after(synced.clone(), run::controller::reconcile),
            policy_of_errors,
            run_context,
        )
        .for_each(|_| future::ready(()));
    let schedules = Controller::for_stream(tests_stream, tests)
        .with_config(controller::Config::default().concurrency(16))
        .reconcile_on(wake_tests)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            after(synced.clone(), schedule::controller::reconcile),
            policy_of_errors,
            schedule_context,
        )
        .for_each(|_| future::ready(()));
    let of_ours = all().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let sweeps = Controller::new(Api::<Namespace>::all(client.clone()), of_ours)
        .with_config(controller::Config::default().concurrency(4))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(after(synced, sweep::reconcile), policy_of_errors, sweep_context)
        .for_each(|_| future::ready(()));
    Ok(async move {
        future::join3(runs, schedules, sweeps).await;
    })
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

async fn sync<K: reflector::Lookup<DynamicType = ()> + Clone + 'static>(
    what: &str,
    store: &Store<K>,
    readiness: &Readiness,
) {
    if store.wait_until_ready().await.is_ok() {
        readiness.done(what);
    }
}

async fn feed<K>(stream: impl futures::Stream<Item = watcher::Result<K>>, on_change: impl Fn(&K)) {
    let mut stream = pin!(stream);
    while let Some(object) = stream.next().await {
        if let Ok(object) = object {
            on_change(&object);
        }
    }
}

/// Errors here have passed the point where they could be told in a status: all of them are tried again.
fn policy_of_errors<K: Resource<DynamicType = ()>, E: std::fmt::Display, C>(
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

fn wake_test(tests: &mpsc::UnboundedSender<ObjectRef<RestoreTest>>, report: &RestoreReport) {
    let namespace = report.namespace().unwrap_or_default();
    let _ = tests.unbounded_send(ObjectRef::new(&report.spec.test_ref).within(&namespace));
}

/// A change of any run, or of a foreign Restore, may be the turn of those that wait or are about to restore.
fn wake_queue(runs: &mpsc::UnboundedSender<ObjectRef<RestoreReport>>, reports: &Store<RestoreReport>) {
    use kymaros_crds::RunPhase::{Preparing, Queued};
    for report in reports.state_filter(|r| matches!(observe::phase(r), Queued | Preparing)) {
        let _ = runs.unbounded_send(ObjectRef::from_obj(&*report));
    }
}

fn wake_run_of(
    runs: &mpsc::UnboundedSender<ObjectRef<RestoreReport>>,
    reports: &Store<RestoreReport>,
    restore: &Restore,
) {
    let Some(uid) = restore.labels().get(names::RUN_UID_LABEL) else {
        return wake_queue(runs, reports);
    };
    if let Some(report) = reports.find(|r| r.metadata.uid.as_ref() == Some(uid)) {
        let _ = runs.unbounded_send(ObjectRef::from_obj(&*report));
    }
    if RestorePhase::of(restore).is_terminal() {
        wake_queue(runs, reports);
    }
}

fn wake_tests_of(
    wakes: &mpsc::UnboundedSender<ObjectRef<RestoreTest>>,
    tests: &Store<RestoreTest>,
    policy: &HealthCheckPolicy,
) {
    let names_it = |t: &RestoreTest| {
        t.namespace() == policy.namespace()
            && t.spec.health_checks.as_ref().and_then(|h| h.policy_ref.as_ref())
                == policy.metadata.name.as_ref()
    };
    for test in tests.state_filter(names_it) {
        let _ = wakes.unbounded_send(ObjectRef::from_obj(&*test));
    }
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
