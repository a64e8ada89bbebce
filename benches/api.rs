//! Time of an answer of each route of the API over a large fleet, against a handler in the same server that does nothing.
//!
//! The aim is 20 ms at p99, and 96 MiB of memory for the whole process: the server with its fleet, and a client that counts
//! what it reads and keeps nothing of it.

mod measure;
mod memory;
mod objects;
mod stores;

use std::{convert::Infallible, net::TcpListener, num::NonZeroU32, sync::Arc};

use axum::{
    Router,
    http::{Method, Request, Response},
    routing::get,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Client,
    client::Body,
    core::PartialObjectMeta,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use kymaros::{
    api::{self, About, Api, Auth, Hosts, Limits},
    fleet::{Fleet, Roster, RunLog},
    license::License,
    notify::{self, Notifier, Reach, Sender},
    source::Wanted,
    stored,
};
use kymaros_crds::{RestoreReport, domain::Tier};
use kymaros_webhooks::default::Defaults;
use measure::{Failure, Load, Times, compare_pages, compare_requests};
use memory::{peak, resident};
use objects::{days_ago, report, test};
use serde_json::{Value, json};
use stores::fill;
use tokio_util::sync::CancellationToken;

const LOAD: Load = Load {
    requests: 400,
    warm_up: 40,
    connections: 2,
};
/// Of a list of everything, which is many megabytes.
const WHOLE: Load = Load {
    requests: 20,
    warm_up: 2,
    connections: 2,
};
/// What the cluster holds: reports of each test, one a day.
const TESTS: usize = 1000;
const REPORTS: usize = 20;
const NAMESPACES: usize = 1200;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let before = resident();
    let fleet = fleet();
    let filled = resident();
    println!(
        "{TESTS} tests, {} reports: {before} MiB before, {filled} MiB with all of them",
        TESTS * REPORTS
    );
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let base = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let app = api::router(api(fleet, stop.clone())?).merge(nothing());
    let server = tokio::spawn(api::serve(listener, app, stop.clone()));
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(LOAD.connections)
        .http1_only()
        .build()?;
    println!(
        "{:<48} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "", "bytes", "p50 ms", "p99 ms", "floor 99", "p50 x", "p99 x"
    );
    for route in routes() {
        let (own_page, floor_page) = (format!("{base}{route}"), format!("{base}/nothing"));
        let is_whole = route.ends_with("/reports") || route.ends_with("/reports.csv");
        let load = if is_whole { WHOLE } else { LOAD };
        show(&route, compare_pages(load, &client, own_page, floor_page).await?);
    }
    for (method, path, body) in writes() {
        let own = client.request(method.clone(), format!("{base}{path}")).body(body);
        let measured = compare_requests(LOAD, own, client.get(format!("{base}/nothing"))).await?;
        show(&format!("{method} {path}"), measured);
    }
    println!(
        "memory of server and client after it: {} MiB, at most {} MiB",
        resident(),
        peak()
    );
    stop.cancel();
    server.await??;
    Ok(())
}

fn show(name: &str, (bytes, own, floor): (usize, Times, Times)) {
    println!(
        "{name:<48} {bytes:>9} {:>8.2} {:>8.2} {:>8.2} {:>7.1} {:>7.1}",
        own.at(50),
        own.at(99),
        floor.at(99),
        own.at(50) / floor.at(50),
        own.at(99) / floor.at(99),
    );
}

/// Without a plan: it is asked of others alone, an API server that knows the caller's account, Velero and its storage, and
/// takes as long as they do.
fn routes() -> Vec<String> {
    let name = |number: usize| format!("shop-{number}");
    let report = format!("{}-{}", name(7), 3);
    [
        "/health".to_owned(),
        "/license".to_owned(),
        "/summary".to_owned(),
        "/summary/daily?days=7".to_owned(),
        "/summary/daily?days=90".to_owned(),
        "/tests".to_owned(),
        format!("/tests/{}", name(7)),
        "/reports?latest=true&limit=100".to_owned(),
        "/reports?limit=100".to_owned(),
        "/reports".to_owned(),
        format!("/reports?test={}", name(7)),
        format!("/reports/{report}"),
        format!("/reports/{report}/logs"),
        "/alerts?hours=48".to_owned(),
        "/upcoming".to_owned(),
        "/runs".to_owned(),
        "/clusters".to_owned(),
        "/coverage".to_owned(),
        "/compliance?framework=soc2".to_owned(),
        "/compliance?framework=iso27001".to_owned(),
        "/compliance?framework=dora".to_owned(),
        "/schedules".to_owned(),
        "/config/provider".to_owned(),
        "/config/notifications".to_owned(),
        "/config/sandbox".to_owned(),
        "/tests.csv".to_owned(),
        "/reports.csv?days=7".to_owned(),
        "/reports.csv".to_owned(),
        "/coverage.csv".to_owned(),
        "/compliance.csv".to_owned(),
        "/compliance.pdf".to_owned(),
        "/openapi.json".to_owned(),
    ]
    .map(|route| format!("/api/v1{route}"))
    .to_vec()
}

/// Changes: what is measured is ours, for the API server behind them answers at once.
fn writes() -> [(Method, String, String); 4] {
    let test = |end: &str| format!("/api/v1/tests/shop-7{end}");
    // It is there already, so nobody waits until it is seen.
    let new = json!({ "name": "shop-7", "namespace": "team-7", "namespaces": ["shop-7"], "cron": "@daily" });
    [
        (Method::POST, "/api/v1/tests".to_owned(), new.to_string()),
        (Method::PUT, test(""), json!({ "cron": "@daily" }).to_string()),
        (Method::POST, test("/trigger"), String::new()),
        (Method::DELETE, test(""), String::new()),
    ]
}

/// An API server that takes every change, and forgets it.
fn api_server() -> Client {
    let taken = json!({ "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "x" } });
    let deleted = json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 200,
                         "message": "", "reason": "" });
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = if request.method() == Method::DELETE {
            &deleted
        } else {
            &taken
        };
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::from(
            answer.to_string().into_bytes(),
        ))))
    });
    Client::new(service, "default")
}

fn nothing() -> Router {
    Router::new().route("/nothing", get(|| async { "{}" }))
}

fn api(fleet: Fleet, stop: CancellationToken) -> Result<Api, Failure> {
    // Nobody is told of anything here.
    let client = api_server();
    let sender = Sender::new(Reach::default())?;
    Ok(Api {
        fleet,
        auth: Auth::None,
        notifier: Notifier::new(client.clone(), sender, notify::Defaults::default()),
        client,
        about: Arc::new(About {
            kubernetes_version: String::new(),
            pod: String::new(),
            started: Timestamp::now(),
        }),
        limits: Limits::new(NonZeroU32::MAX),
        hosts: Hosts::new(&[]),
        cors: None,
        stop,
    })
}

/// The very structures that the operator answers from.
fn fleet() -> Fleet {
    let expires = None;
    let license = License::Valid {
        tier: Tier::Enterprise,
        expires,
    };
    let runs = RunLog::default();
    let (reports, mut keeper) = stored::store();
    let all = (0..TESTS).flat_map(|test| (0..REPORTS).map(move |day| (test, day)));
    let listed = all.filter_map(|(test, day)| serde_json::from_value(report(test, day)).ok());
    let events = listed.map(Event::<RestoreReport>::InitApply);
    for event in [Event::Init].into_iter().chain(events).chain([Event::InitDone]) {
        keeper.take(&event);
        runs.look(&event);
    }
    let namespaces = (0..NAMESPACES).map(|n| json!({ "metadata": { "name": format!("shop-{n}") } }));
    let backups = (0..60).map(|n| {
        json!({ "metadata": { "name": format!("nightly-{n}"), "namespace": "velero" }, "spec": {},
                "status": { "phase": "Completed", "startTimestamp": days_ago(n).to_string() } })
    });
    let schedules = (0..20).map(|n| {
        json!({ "metadata": { "name": format!("nightly-{n}"), "namespace": "velero" },
                "spec": { "schedule": "0 1 * * *" } })
    });
    Fleet {
        tests: stored((0..TESTS).map(test)),
        reports,
        runs,
        roster: tokio::sync::watch::channel(Roster::default()).1,
        backups: stored(backups),
        schedules: stored(schedules),
        locations: stored(std::iter::empty()),
        velero: stored(std::iter::empty()),
        namespaces: stored::<PartialObjectMeta<Namespace>>(namespaces),
        license: tokio::sync::watch::channel(license).1,
        defaults: Defaults::default(),
        wanted: Wanted::default(),
        namespace: "kymaros-system".to_owned(),
        velero_namespace: "velero".to_owned(),
    }
}

fn stored<K>(objects: impl Iterator<Item = Value>) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + 'static,
{
    let (store, mut writer) = reflector::store();
    fill(
        &mut writer,
        objects.filter_map(|object| serde_json::from_value(object).ok()),
    );
    store
}
