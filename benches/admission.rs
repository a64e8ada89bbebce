//! Time of an answer of admission over TLS, against a handler in the same server that does nothing.
//!
//! The figures are ratios; the aim is 1.2 at p99.

mod measure;
mod stores;

use std::{net::TcpListener, sync::Arc};

use axum::{Router, routing::post};
use axum_server::tls_rustls::RustlsConfig;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    core::PartialObjectMeta,
    runtime::{reflector, watcher::Event},
};
use kymaros::{
    admission::{ClusterFacts, Durations, RunIndex, Stores, Uses},
    license::{License, Refusal},
};
use kymaros_crds::{RestoreTest, names};
use kymaros_webhooks::{Operator, default::Defaults, server};
use measure::{Failure, Load, compare};
use serde_json::{Value, json};
use stores::fill;

const LOAD: Load = Load {
    requests: 4000,
    warm_up: 4000,
    connections: 4,
};
/// What the cluster holds.
const TESTS: usize = 1000;
const NAMESPACES: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (tls, authority) = certificate()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let app = server::router(Arc::new(facts()), Arc::new(())).merge(nothing());
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?;
    tokio::spawn(server.serve(app.into_make_service()));
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.as_bytes())?])
        .resolve("localhost", address)
        .pool_max_idle_per_host(LOAD.connections)
        .http1_only()
        .build()?;
    let base = format!("https://localhost:{}", address.port());

    println!(
        "{} requests each, {} connections, {TESTS} tests, {NAMESPACES} namespaces",
        LOAD.requests, LOAD.connections
    );
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "", "p50 µs", "floor", "p99 µs", "floor", "p50 x", "p99 x"
    );
    for (route, request) in requests() {
        let body = review(&request);
        let asks = |route: &str| {
            let (client, address, body) = (client.clone(), format!("{base}/{route}"), body.clone());
            move || ask(client.clone(), address.clone(), body.clone())
        };
        let (own, floor) = compare(LOAD, asks(route), asks("nothing")).await?;
        let ratio = |percent: usize| own.at(percent) / floor.at(percent);
        println!(
            "{route:<12} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>7.2} {:>7.2}",
            own.at(50) * 1e3,
            floor.at(50) * 1e3,
            own.at(99) * 1e3,
            floor.at(99) * 1e3,
            ratio(50),
            ratio(99),
        );
    }
    Ok(())
}

/// Answers "allowed" to anything, and reads no more of it than the body.
fn nothing() -> Router {
    const ALLOWED: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true}}"#;
    Router::new().route("/nothing", post(|_: axum::body::Bytes| async { ALLOWED }))
}

/// Stands in every answer that lets an object through.
const ALLOWED: &[u8] = br#""allowed":true"#;

async fn ask(client: reqwest::Client, address: String, body: String) -> Result<(), Failure> {
    let request = client
        .post(&address)
        .header("content-type", "application/json")
        .body(body);
    let answer = request.send().await?.error_for_status()?.bytes().await?;
    if !answer.windows(ALLOWED.len()).any(|part| part == ALLOWED) {
        return Err(format!("{address} refused: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(())
}

const OPERATOR: &str = "system:serviceaccount:kymaros-system:kymaros";

fn requests() -> Vec<(&'static str, Value)> {
    let asked = |user: &str, (group, resource): (&str, &str), namespace: &str, object: Value| {
        json!({
            "uid": "u", "name": "x", "namespace": namespace, "operation": "CREATE", "userInfo": { "username": user },
            "kind": { "group": group, "version": "v1", "kind": object["kind"] },
            "resource": { "group": group, "version": "v1", "resource": resource },
            "object": object, "oldObject": null,
        })
    };
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "c", "image": "i", "env": [{ "name": "A", "value": "b" }],
                                   "ports": [{ "containerPort": 80 }] }] } });
    vec![
        (
            "validate",
            asked("sre", (names::GROUP, "restoretests"), "ops", test(0)),
        ),
        (
            "default",
            asked("sre", (names::GROUP, "restoretests"), "ops", test(0)),
        ),
        (
            "guard",
            asked(
                OPERATOR,
                ("", "events"),
                "ops",
                json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "name": "x" } }),
            ),
        ),
        ("contain", asked("sre", ("", "pods"), "ops", pod.clone())),
        ("neutralise", asked("sre", ("", "pods"), "ns-0", pod)),
    ]
}

fn review(request: &Value) -> String {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request }).to_string()
}

fn test(number: usize) -> Value {
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": format!("test-{number}"), "namespace": "ops", "uid": format!("t-{number}") },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": "latest", "namespaces": [{ "name": format!("shop-{number}") }] },
            "schedule": { "cron": "30 3 * * 1-5", "timezone": "Europe/Paris" },
            "sandbox": { "ttl": "30m", "resourceQuota": { "cpu": "2", "memory": "4Gi" } },
            "sla": { "maxRTO": "15m" },
            "healthChecks": { "timeout": "5m", "checks": [
                { "name": "web", "type": "httpGet", "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } },
                { "name": "db", "type": "exec", "exec": { "podSelector": { "app": "db" }, "command": ["psql", "-c", "select 1"],
                                                           "stdoutMatches": "^1$" } } ] },
        },
    })
}

/// The very facts that the operator answers from, over stores of a large cluster.
fn facts() -> ClusterFacts {
    let uses = Uses::default();
    for test in (0..TESTS).filter_map(|n| serde_json::from_value::<RestoreTest>(test(n)).ok()) {
        uses.look(&Event::Apply(test));
    }
    let (namespaces, mut writer) = reflector::store::<PartialObjectMeta<Namespace>>();
    fill(
        &mut writer,
        (0..NAMESPACES).filter_map(|n| {
            let metadata = json!({ "name": format!("ns-{n}"), "labels": { "team": "shop" } });
            serde_json::from_value(json!({ "metadata": metadata })).ok()
        }),
    );
    let (_, changes) = tokio::sync::watch::channel(0);
    ClusterFacts {
        operator: Operator {
            username: OPERATOR.to_owned(),
            namespace: "kymaros-system".to_owned(),
            velero_namespace: "velero".to_owned(),
            lease: "kymaros-leader".to_owned(),
            certificate_secret: "kymaros-webhook-certificate".to_owned(),
            priority_class: "kymaros-sandbox".to_owned(),
            writes_tests: false,
        },
        defaults: Defaults::default(),
        license: tokio::sync::watch::channel(License::Community(Refusal::NoSecret)).1,
        stores: Stores {
            uses,
            policies: reflector::store().0,
            durations: Durations::default(),
            runs: RunIndex::default(),
            restores: reflector::store().0,
            namespaces,
            volumes: reflector::store().0,
            velero: reflector::store().0,
        },
        changes,
    }
}

fn certificate() -> Result<(Arc<rustls::ServerConfig>, String), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(tls), made.cert.pem()))
}
