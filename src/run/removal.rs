//! Removing what a run made. A refusal is told in the report, so it must not keep the report from being written.

use kube::Client;

use super::memory::RunMemory;
use crate::{
    sandbox::{
        held,
        leftovers::{Leftovers, Removal, remove_outside},
        remove::OwnedSandbox,
    },
    velero::movers,
};

/// Removes a sandbox of the run with this UID, unless it is gone.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn sandbox(
    client: &Client,
    memory: &RunMemory,
    name: &str,
    run_uid: &str,
) -> Result<(), kube::Error> {
    memory.stop_watching();
    let Some(owned) = OwnedSandbox::find(client, name, run_uid).await? else {
        return Ok(());
    };
    let removed = owned.remove(client, &|freed| memory.note_freed(freed)).await;
    memory.note_removal(Removal::of("Namespace", name, removed)?);
    Ok(())
}

/// Lets a sandbox of the run with this UID go that is going and that another product holds.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn release(
    client: &Client,
    memory: &RunMemory,
    name: &str,
    run_uid: &str,
) -> Result<(), kube::Error> {
    let released = held::release(client, name, run_uid).await;
    if let Ok(Some(freed)) = &released {
        memory.note_freed(freed.clone());
    }
    memory.note_removal(Removal::of("Namespace", name, released)?);
    Ok(())
}

/// Removes what the run has outside of sandboxes.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn outside(
    client: &Client,
    memory: &RunMemory,
    velero_namespace: &str,
    left: &Leftovers,
) -> Result<(), kube::Error> {
    for removal in remove_outside(client, velero_namespace, left).await? {
        memory.note_removal(removal);
    }
    Ok(())
}

/// Stops what moves data for a Restore. Where that is refused, it is waited for.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn movers(
    client: &Client,
    velero_namespace: &str,
    restore: &str,
) -> Result<(), kube::Error> {
    match movers::cancel(client, velero_namespace, restore).await {
        Err(kube::Error::Api(status)) => {
            tracing::warn!(
                restore,
                why = status.message,
                "its data movers may not be stopped"
            );
            Ok(())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use jiff::Timestamp;
    use kymaros_crds::names;
    use serde_json::json;

    use super::*;
    use crate::run::clock::RunClock;

    /// A cluster with a sandbox, of which somebody refuses the deletion for as long as they want, and in it an object that
    /// another product holds until its finalizer is taken off.
    fn cluster(refuses: Arc<AtomicBool>) -> Client {
        let labels = json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "u" });
        let sandbox = json!({ "metadata": { "name": "sb", "uid": "n", "labels": labels } });
        let maps = json!({ "resource": "configmaps", "scope": "Namespaced", "verbs": ["list", "patch"],
                           "responseKind": { "group": "", "version": "v1", "kind": "ConfigMap" } });
        let v1 =
            json!([{ "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": [maps] }] }]);
        let is_held = Arc::new(AtomicBool::new(true));
        let answer = move |method: http::Method, uri: http::Uri| {
            let discovered = |groups: serde_json::Value| {
                json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                        "metadata": {}, "items": groups })
            };
            let (code, body) = match (method.as_str(), uri.path()) {
                ("GET", "/api/v1/namespaces/sb") => (200, sandbox.clone()),
                ("GET", "/api") => (200, discovered(v1.clone())),
                ("GET", "/apis") => (200, discovered(json!([]))),
                ("GET", "/api/v1/namespaces/sb/configmaps") => {
                    let held = json!({ "metadata": { "name": "page", "finalizers": ["example.com/cloud"] } });
                    let is_held = is_held.load(Ordering::SeqCst);
                    (
                        200,
                        json!({ "metadata": {}, "items": is_held.then_some(held).as_slice() }),
                    )
                }
                ("GET", _) => (200, json!({ "metadata": {}, "items": [] })),
                ("PATCH", _) => {
                    is_held.store(false, Ordering::SeqCst);
                    (200, json!({ "metadata": { "name": "page" } }))
                }
                ("DELETE", "/api/v1/namespaces/sb") if refuses.load(Ordering::SeqCst) => {
                    let why = "admission webhook \"keep.example.com\" denied the request: it is Friday";
                    let status =
                        json!({ "status": "Failure", "code": 403, "reason": "Forbidden", "message": why });
                    (403, status)
                }
                _ => (200, json!({ "kind": "Status", "status": "Success" })),
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    fn memory() -> RunMemory {
        RunMemory::new(Arc::new(|| {}), RunClock::start(Timestamp::MIN, None))
    }

    #[tokio::test]
    async fn who_refuses_that_a_sandbox_goes_is_remembered_until_it_goes() {
        let refuses = Arc::new(AtomicBool::new(true));
        let client = cluster(refuses.clone());
        let memory = memory();
        sandbox(&client, &memory, "sb", "u").await.unwrap();
        let told = memory.refused();
        assert!(
            told["Namespace/sb"].contains("\"keep.example.com\" denied"),
            "{told:?}"
        );
        refuses.store(false, Ordering::SeqCst);
        sandbox(&client, &memory, "sb", "u").await.unwrap();
        assert!(memory.refused().is_empty());
    }

    #[tokio::test]
    async fn what_was_freed_before_somebody_refused_the_rest_is_named_all_the_same() {
        let refuses = Arc::new(AtomicBool::new(true));
        let client = cluster(refuses.clone());
        let memory = memory();
        for refused in [true, false] {
            refuses.store(refused, Ordering::SeqCst);
            sandbox(&client, &memory, "sb", "u").await.unwrap();
            let named: Vec<String> = memory.freed().iter().map(ToString::to_string).collect();
            assert_eq!(named, ["ConfigMap/page (example.com/cloud)"], "{refused}");
        }
    }
}
