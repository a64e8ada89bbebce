//! Sandboxes that are going and that another product holds, by a finalizer of the namespace itself.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams},
};
use kymaros_crds::names;

use super::{freed::Freed, ignore_gone};

/// A product that is there tidies up and takes its finalizer off by itself within this.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A sandbox that is going and that another product holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSandbox {
    /// Its name.
    pub name: String,
    /// When somebody, mostly its run, deleted it.
    pub since: Timestamp,
}

impl HeldSandbox {
    /// The namespace, if it is a sandbox of the given run that is held while it goes.
    #[must_use]
    pub fn of(namespace: &Namespace, run_uid: &str) -> Option<Self> {
        let metadata = &namespace.metadata;
        let since = metadata.deletion_timestamp.as_ref()?.0;
        is_held(metadata, run_uid).then(|| Self {
            name: namespace.name_any(),
            since,
        })
    }
}

/// Those of the finalizers that Kubernetes itself does not take off.
pub fn foreign(finalizers: &[String]) -> impl Iterator<Item = &str> {
    let all = finalizers.iter().map(String::as_str);
    all.filter(|finalizer| !names::is_kubernetes_finalizer(finalizer))
}

/// A namespace that is not going, or not of this run, is nobody's to change.
fn is_held(metadata: &ObjectMeta, run_uid: &str) -> bool {
    let labels = metadata.labels.as_ref();
    let is_ours = labels.is_some_and(|labels| names::run_uid(labels) == Some(run_uid));
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    is_ours && metadata.deletion_timestamp.is_some() && foreign(finalizers).next().is_some()
}

/// Takes finalizers of other products off the namespace of a sandbox of the given run that is going. What the namespace itself
/// waits for, its `spec.finalizers`, is the cluster's. What was freed; nothing when somebody changed the namespace at the same
/// moment.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn release(client: &Client, name: &str, run_uid: &str) -> Result<Option<Freed>, kube::Error> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let Some(namespace) = namespaces.get_metadata_opt(name).await? else {
        return Ok(None);
    };
    if !is_held(&namespace.metadata, run_uid) {
        return Ok(None);
    }
    let all = namespace.finalizers();
    let taken: Vec<String> = foreign(all).map(str::to_owned).collect();
    let kept: Vec<&String> = all.iter().filter(|f| !taken.contains(f)).collect();
    // The version makes it refuse a namespace that is another one by now.
    let patch = Patch::Merge(serde_json::json!({
        "metadata": { "finalizers": kept, "resourceVersion": namespace.resource_version() },
    }));
    match namespaces
        .patch_metadata(name, &PatchParams::default(), &patch)
        .await
    {
        Ok(_) => {
            let freed = Freed::Namespace {
                name: name.to_owned(),
                finalizers: taken,
            };
            tracing::info!(%freed, "removed a foreign finalizer of a namespace");
            Ok(Some(freed))
        }
        refused => ignore_gone(refused.map(drop)).map(|()| None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    const FOREIGN: &str = "controller.cattle.io/namespace-auth";

    fn namespace(change: &Value) -> Value {
        let mut namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "sb", "uid": "n", "resourceVersion": "7", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": { names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "u" },
            "finalizers": ["foregroundDeletion", FOREIGN, "example.com/cloud"] } });
        for (key, value) in change.as_object().unwrap() {
            namespace["metadata"][key] = value.clone();
        }
        namespace
    }

    /// Namespaces that are not changed, each for a reason of its own.
    fn others() -> [Value; 5] {
        [
            json!({ "deletionTimestamp": null }),
            json!({ "labels": {} }),
            json!({ "labels": { names::RUN_UID_LABEL: "u" } }),
            json!({ "labels": { names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "other" } }),
            json!({ "finalizers": ["foregroundDeletion", "kubernetes.io/x"] }),
        ]
        .map(|change| namespace(&change))
    }

    /// A cluster with this namespace, what it answers a change with, and the changes that it was asked for.
    fn cluster(namespace: Value, code: u16) -> (Client, Arc<Mutex<Vec<Value>>>) {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let asked = changes.clone();
        let answer = move |method: http::Method, body: String| {
            let (code, body) = if method == http::Method::GET {
                (200, namespace.clone())
            } else {
                asked.lock().unwrap().push(serde_json::from_str(&body).unwrap());
                let reason = match code {
                    404 => "NotFound",
                    409 => "Conflict",
                    _ => "Forbidden",
                };
                let refused =
                    json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason });
                (code, if code == 200 { namespace.clone() } else { refused })
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        let client = Client::new(axum::Router::new().fallback(answer), "default");
        (client, changes)
    }

    #[test]
    fn only_a_sandbox_of_this_run_that_goes_is_held() {
        let of =
            |namespace: &Value| HeldSandbox::of(&serde_json::from_value(namespace.clone()).unwrap(), "u");
        let held = of(&namespace(&json!({}))).unwrap();
        assert_eq!(
            (held.name.as_str(), held.since.to_string().as_str()),
            ("sb", "2026-01-01T00:00:00Z")
        );
        for other in others() {
            assert_eq!(of(&other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn finalizers_of_others_are_taken_off_and_named_and_no_other_namespace_is_touched() {
        let (client, changes) = cluster(namespace(&json!({})), 200);
        let freed = release(&client, "sb", "u").await.unwrap();
        let named = freed.map(|freed| freed.to_string());
        assert_eq!(
            named,
            Some(format!("Namespace/sb ({FOREIGN}, example.com/cloud)"))
        );
        let wanted = json!({ "metadata": { "finalizers": ["foregroundDeletion"], "resourceVersion": "7" } });
        assert_eq!(*changes.lock().unwrap(), [wanted]);
        for other in others() {
            let (client, changes) = cluster(other.clone(), 200);
            assert_eq!(release(&client, "sb", "u").await.unwrap(), None);
            assert!(changes.lock().unwrap().is_empty(), "{other}");
        }
    }

    #[tokio::test]
    async fn who_was_faster_is_no_error_and_a_refusal_is_one() {
        for (code, is_fine) in [(404, true), (409, true), (403, false)] {
            let (client, _) = cluster(namespace(&json!({})), code);
            let freed = release(&client, "sb", "u").await.ok();
            assert_eq!(freed, is_fine.then_some(None), "{code}");
        }
    }
}
