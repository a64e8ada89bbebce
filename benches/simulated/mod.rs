//! API servers of other clusters, as much of them as a hub asks for: lists by pages, and watches on which nothing comes. And the
//! one of the hub, with a Secret for each of them.

use std::{collections::HashMap, future::ready, io::Write, net::TcpListener, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::RawQuery,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use futures::stream;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::{
    measure::Failure,
    objects::{report, test},
};

/// Makes this program the other clusters.
pub const ARGUMENT: &str = "simulate";
/// How many there are, with so many tests each, and so many reports of each test.
pub const CLUSTERS: usize = 20;
pub const TESTS: usize = 200;
pub const REPORTS: usize = 10;

/// Serves all of them, and prints the way to the one of the hub.
pub async fn serve() -> Result<(), Failure> {
    // Another part of the program may have done so.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let base = format!("https://{}", listener.local_addr()?);
    let way = {
        let (base, authority) = (base.clone(), ByteString(certificate.clone().into_bytes()));
        move |path: &str| way(&format!("{base}/{path}"), &authority)
    };
    println!("{}", way("hub"));
    std::io::stdout().flush()?;
    let secrets = texts((0..CLUSTERS).map(|n| secret(n, &way(&format!("c{n}")))));
    let tests = texts((0..TESTS).map(test));
    let reports = texts((0..TESTS).flat_map(|test| (0..REPORTS).map(move |day| report(test, day))));
    let kinds = "/{cluster}/apis/restore.kymaros.io/v1alpha1";
    let list = |kind: &'static str, version: &'static str, all: Arc<[String]>| {
        get(move |RawQuery(query): RawQuery| ready(answered(query.as_deref(), kind, version, &all)))
    };
    let app = Router::new()
        .route(
            "/hub/api/v1/namespaces/kymaros-system/secrets",
            list("SecretList", "v1", secrets),
        )
        .route(
            &format!("{kinds}/restoretests"),
            list("RestoreTestList", "restore.kymaros.io/v1alpha1", tests),
        )
        .route(
            &format!("{kinds}/restorereports"),
            list("RestoreReportList", "restore.kymaros.io/v1alpha1", reports),
        );
    let tls = RustlsConfig::from_pem(certificate.into_bytes(), key.into_bytes()).await?;
    axum_server::from_tcp_rustls(listener, tls)?
        .serve(app.into_make_service())
        .await?;
    Ok(())
}

fn way(server: &str, authority: &ByteString) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "clusters": [{ "name": "c", "cluster": { "server": server, "certificate-authority-data": authority } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
    })
    .to_string()
}

fn secret(number: usize, kubeconfig: &str) -> Value {
    json!({
        "metadata": { "name": format!("cluster-{number}"), "namespace": "kymaros-system", "uid": number.to_string(),
                      "labels": { "kymaros.io/cluster": format!("c{number}") } },
        "data": { "kubeconfig": ByteString(kubeconfig.as_bytes().to_vec()) },
    })
}

fn texts(all: impl Iterator<Item = Value>) -> Arc<[String]> {
    all.map(|object| object.to_string()).collect()
}

/// A page of a list; or a watch, on which nothing comes.
fn answered(query: Option<&str>, kind: &str, version: &str, all: &[String]) -> Response {
    let query = query.unwrap_or_default();
    let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if query.get("watch").is_some_and(|watch| watch == "true") {
        return Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>()).into_response();
    }
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let first = number("continue").unwrap_or_default().min(all.len());
    let end = (first + number("limit").unwrap_or(all.len())).min(all.len());
    let more = if end < all.len() {
        end.to_string()
    } else {
        String::new()
    };
    let metadata = json!({ "resourceVersion": "1", "continue": more });
    let items = all[first..end].join(",");
    let list = format!(
        "{{\"kind\":{kind:?},\"apiVersion\":{version:?},\"metadata\":{metadata},\"items\":[{items}]}}"
    );
    ([(CONTENT_TYPE, "application/json")], list).into_response()
}
