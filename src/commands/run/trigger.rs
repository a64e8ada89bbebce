//! The annotation that asks for a run: put on, and taken off again when nobody came.

use anyhow::Context as _;
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use kymaros_crds::{RestoreTest, names};
use serde_json::json;

/// Others may change the test meanwhile, but not again and again.
const TRIES: usize = 5;

/// Asks for a run; what it was asked with.
pub(super) async fn put(tests: &Api<RestoreTest>, test: &str) -> anyhow::Result<String> {
    let value = Timestamp::now().to_string();
    let patch = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: value } } });
    tests
        .patch_metadata(test, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .context("the run cannot be triggered; that takes the right to patch restoretests")?;
    Ok(value)
}

/// Takes it off, unless somebody took it up or asked anew; whether it did.
pub(super) async fn take_back(tests: &Api<RestoreTest>, test: &str, value: &str) -> kube::Result<bool> {
    let mut tries = 1;
    loop {
        let live = tests.get_metadata_opt(test).await?;
        let ours = live.filter(|live| {
            let trigger = live.annotations().get(names::TRIGGER_NOW_ANNOTATION);
            trigger.is_some_and(|trigger| trigger == value)
        });
        let Some(ours) = ours else { return Ok(false) };
        // The version makes it refuse to take off what somebody wrote meanwhile.
        let patch = json!({ "metadata": {
            "annotations": { names::TRIGGER_NOW_ANNOTATION: null }, "resourceVersion": ours.resource_version(),
        } });
        match tests
            .patch_metadata(test, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use http_body_util::BodyExt;
    use kube::{Client, client::Body};
    use serde_json::Value;

    use super::*;

    /// An API server with a test and its trigger, of which somebody else writes a newer version after so many looks at it.
    fn server(trigger: Option<&str>, changes: usize) -> (Api<RestoreTest>, Arc<Mutex<Vec<Value>>>) {
        let patches: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (kept, looks) = (patches.clone(), Arc::new(Mutex::new(0)));
        let annotations = trigger.map(|value| json!({ names::TRIGGER_NOW_ANNOTATION: value }));
        let metadata = json!({ "name": "shop", "annotations": annotations });
        let service = tower::service_fn(move |request: Request<Body>| {
            let (kept, looks, mut metadata) = (kept.clone(), looks.clone(), metadata.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let mut seen = looks.lock().unwrap();
                let (code, answer) = if head.method == Method::GET {
                    *seen += 1;
                    metadata["resourceVersion"] = json!(seen.to_string());
                    (200, json!({ "metadata": metadata }))
                } else if *seen <= changes {
                    let conflict = json!({ "status": "Failure", "reason": "Conflict", "code": 409 });
                    (409, conflict)
                } else {
                    kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    (200, json!({ "metadata": metadata }))
                };
                let body = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        (Api::namespaced(Client::new(service, "default"), "ops"), patches)
    }

    #[tokio::test]
    async fn a_trigger_is_taken_back_only_if_it_is_still_ours() {
        let (tests, patches) = server(Some("ours"), 2);
        assert!(take_back(&tests, "shop", "ours").await.unwrap());
        let patch = json!({ "metadata": {
            "annotations": { names::TRIGGER_NOW_ANNOTATION: null }, "resourceVersion": "3",
        } });
        assert_eq!(*patches.lock().unwrap(), [patch]);
        for other in [Some("of somebody else"), None] {
            let (tests, patches) = server(other, 0);
            assert!(!take_back(&tests, "shop", "ours").await.unwrap());
            assert!(patches.lock().unwrap().is_empty());
        }
        let (tests, _) = server(Some("ours"), usize::MAX);
        assert!(
            take_back(&tests, "shop", "ours").await.is_err(),
            "it does not try for ever"
        );
    }
}
