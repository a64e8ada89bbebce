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
mod wiring;

use std::{
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{FutureExt, future};
use kube::{Client, runtime::events::Reporter};
use kymaros_certs::Certificates;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    identity::{pod_name, who_am_i},
    warnings::Warnings,
    wiring::Wiring,
};
use crate::{
    admission,
    license::{self, License, SigningSecret},
    metrics::{Answers, Clusters, Process, registry},
    telemetry::{self, events::Events, health, health::Readiness},
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
    let username = who_am_i(&client).await?;
    let readiness = Readiness::waiting_for(&WAITS_FOR);
    let settings = certificates::settings(&args, &username)?;
    let (certificates, keep_certificates) =
        Certificates::start(client.clone(), settings, stop.clone()).context("TLS cannot be served")?;
    let (admission, follow_certificates) =
        certificates::follow(&certificates, readiness.clone(), stop.clone());
    let signing = SigningSecret::to_verify();
    let (license, follow_license) =
        license::watch(client.clone(), &args.namespace, &args.license_secret, signing);
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
        username,
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
