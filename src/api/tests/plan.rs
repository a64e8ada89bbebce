//! A plan: Velero is asked as whoever asks, and what the backup holds is read.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::Path,
    http::{Request, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use kymaros_crds::CompletenessBasis;
use serde_json::{Value, json};

use super::world::World;
use crate::{
    access::Access,
    api::Auth,
    fleet::sample::{store, test},
};

/// Where backups are stored, on this machine.
async fn storage() -> u16 {
    let packed = |Path(name): Path<String>| async move {
        let text = if name.ends_with("resourcelist") {
            json!({ "v1/Namespace": ["blog"], "apps/v1/Deployment": ["blog/web"] })
        } else {
            json!([])
        };
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.to_string().as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().route("/{name}", get(packed));
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// An API server with a backup, and a Velero that answers at once. Whoever asks it is kept.
fn velero(port: u16, askers: Arc<Mutex<Vec<String>>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let asker = request.headers()["authorization"].to_str().unwrap().to_owned();
        askers.lock().unwrap().push(asker);
        async move {
            let (parts, body) = request.into_parts();
            let sent = body.collect().await.unwrap().to_bytes();
            let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
            let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
            let answer = match parts.method.as_str() {
                "GET" if path.ends_with("/backups") => list(&json!({
                    "metadata": { "name": "nightly" }, "spec": {},
                    "status": { "phase": "Completed", "startTimestamp": jiff::Timestamp::now().to_string() },
                })),
                "GET" if path.ends_with("/downloadrequests") => {
                    let name = query.split("metadata.name%3D").nth(1).unwrap();
                    let name = name.split('&').next().unwrap();
                    let url = format!("http://127.0.0.1:{port}/{name}");
                    list(
                        &json!({ "metadata": { "name": name }, "spec": { "target": { "kind": "", "name": "" } },
                                 "status": { "phase": "Processed", "downloadURL": url } }),
                    )
                }
                "POST" => sent,
                _ => {
                    json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 200,
                             "message": "", "reason": "" })
                }
            };
            let answer = Response::new(Body::from(answer.to_string().into_bytes()));
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    Client::new(service, "default")
}

fn list(item: &Value) -> Value {
    json!({ "apiVersion": "velero.io/v1", "kind": "List", "metadata": { "resourceVersion": "1" }, "items": [item] })
}

#[tokio::test]
async fn a_plan_is_made_with_the_rights_of_whoever_asks() {
    let mut world = World::new();
    let askers: Arc<Mutex<Vec<String>>> = Arc::default();
    world.api.auth = Auth::Kubernetes {
        access: Access::new(world.api.client.clone()),
        anonymous: velero(storage().await, askers.clone()),
    };
    let mut blog = test("ops", "blog");
    blog.spec.backup_source.completeness = Some(CompletenessBasis::Backup);
    world.api.fleet.tests = store([blog]);
    let answered = world.get("/api/v1/plan/blog").await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let plan = &answered.json()[0];
    assert_eq!(
        (&plan["backup"], &plan["namespaces"]),
        (&json!("nightly"), &json!(["blog"]))
    );
    assert!(plan["objects"].to_string().contains("Deployment"), "{plan}");
    super::documented::holds("GET", "/api/v1/plan/{name}", &answered);
    let askers = askers.lock().unwrap().clone();
    assert!(
        !askers.is_empty() && askers.iter().all(|asker| asker == "Bearer admin"),
        "{askers:?}"
    );
}
