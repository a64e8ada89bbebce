//! What is done before Kymaros goes: nothing may stay that waits for it. Tests and reports stay, without finalizers.
//!
//! Every step can be done again: whoever is interrupted starts anew.

mod release;
mod sandboxes;

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Pod, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::Selector,
    runtime::{conditions::is_deleted, wait::await_condition},
};
use kymaros_crds::{RestoreReport, RestoreTest};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The operator needs some seconds to finish what it is at.
const PATIENCE: Duration = Duration::from_mins(1);

/// Names of what an installation consists of.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Where the operator lives.
    pub namespace: String,
    /// Its Deployment.
    pub deployment: String,
    /// Where Velero lives.
    pub velero_namespace: String,
    /// The `ClusterRole` with the rights inside a sandbox.
    pub sandbox_role: String,
    /// Both webhook configurations.
    pub webhook_configuration: String,
    /// The Lease of the replicas.
    pub lease: String,
    /// The Secret with the certificate of the webhooks.
    pub certificate_secret: String,
}

/// Why something could not be removed.
#[derive(Debug, Error)]
pub enum UninstallError {
    /// Going on beside a running operator would be in vain: it makes everything anew.
    #[error(
        "the operator still runs after a minute; see `kubectl --namespace {0} get pods`; if Argo CD or another tool puts it \
         back, stop its synchronisation first"
    )]
    StillRuns(String),
    /// A watch over the pods ended.
    #[error("cannot see whether the operator has stopped: {0}")]
    Watch(#[from] kube::runtime::wait::Error),
    /// A finalizer changes again and again.
    #[error("{0} is changed by somebody again and again, and could not be released")]
    Busy(String),
    /// The API server refused, or did not answer.
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// Stops the operator and removes everything that needs it.
///
/// # Errors
/// [`UninstallError`]; what was removed before stays removed.
pub async fn uninstall(client: &Client, installation: &Installation) -> Result<(), UninstallError> {
    stop(client, installation).await?;
    // From here on nobody answers them.
    let configuration = &installation.webhook_configuration;
    delete(
        Api::<ValidatingWebhookConfiguration>::all(client.clone()),
        configuration,
    )
    .await?;
    delete(
        Api::<MutatingWebhookConfiguration>::all(client.clone()),
        configuration,
    )
    .await?;
    sandboxes::remove(client, installation).await?;
    release::release::<RestoreReport>(client).await?;
    release::release::<RestoreTest>(client).await?;
    let own = &installation.namespace;
    delete(Api::<Lease>::namespaced(client.clone(), own), &installation.lease).await?;
    let secrets = Api::<Secret>::namespaced(client.clone(), own);
    delete(secrets, &installation.certificate_secret).await
}

/// Waits until no replica runs any more: a running one would put back what is removed here.
async fn stop(client: &Client, installation: &Installation) -> Result<(), UninstallError> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), &installation.namespace);
    let none = Patch::Merge(serde_json::json!({ "spec": { "replicas": 0 } }));
    let name = &installation.deployment;
    let stopped = match deployments.patch(name, &PatchParams::default(), &none).await {
        Ok(deployment) => deployment,
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            tracing::warn!(
                deployment = name,
                namespace = installation.namespace,
                "there is no such Deployment, so nothing is stopped; if the operator has another name, say so with \
                 --deployment, and see --help for the other names"
            );
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(deployment = name, "stops the operator");
    let selector: Selector = stopped
        .spec
        .map(|s| s.selector)
        .unwrap_or_default()
        .try_into()
        .unwrap_or_default();
    let gone = async {
        await_condition(deployments, name, has_no_replica(stopped.metadata.generation)).await?;
        let pods = Api::<Pod>::namespaced(client.clone(), &installation.namespace);
        for pod in pods.list(&ListParams::default().labels_from(&selector)).await? {
            let uid = pod.uid().unwrap_or_default();
            await_condition(pods.clone(), &pod.name_any(), is_deleted(&uid)).await?;
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, gone).await {
        Ok(stopped) => stopped,
        Err(_) => Err(UninstallError::StillRuns(installation.namespace.clone())),
    }
}

/// The Deployment's controller has seen the change, and counts no pod that is not on its way out.
fn has_no_replica(generation: Option<i64>) -> impl Fn(Option<&Deployment>) -> bool {
    move |deployment| {
        let Some(status) = deployment.and_then(|d| d.status.as_ref()) else {
            return true;
        };
        status.observed_generation >= generation && status.replicas.unwrap_or_default() == 0
    }
}

async fn delete<K>(api: Api<K>, name: &str) -> Result<(), UninstallError>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => tracing::info!(kind = %K::kind(&()), name, "removed"),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{Json, http::StatusCode, response::IntoResponse};
    use k8s_openapi::api::apps::v1::DeploymentStatus;
    use serde_json::json;

    use super::*;

    /// A cluster without the kinds of Kymaros and of Velero. Of a kind that it does not know an API server says so in
    /// plain text, and of an object with a reason.
    fn without_the_kinds() -> Client {
        let answer = async |uri: axum::http::Uri| {
            let path = uri.path();
            if path == "/api/v1/namespaces" {
                return Json(json!({ "metadata": {}, "items": [] })).into_response();
            }
            if path.contains("/restore.kymaros.io/") || path.contains("/velero.io/") {
                return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
            }
            let no_object = json!({ "status": "Failure", "code": 404, "reason": "NotFound" });
            (StatusCode::NOT_FOUND, Json(no_object)).into_response()
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    fn installation() -> Installation {
        let text = str::to_owned;
        Installation {
            namespace: text("kymaros-system"),
            deployment: text("kymaros"),
            velero_namespace: text("velero"),
            sandbox_role: text("kymaros-sandbox"),
            webhook_configuration: text("kymaros"),
            lease: text("kymaros-leader"),
            certificate_secret: text("kymaros-webhook-certificate"),
        }
    }

    #[tokio::test]
    async fn kinds_that_are_gone_already_need_no_release() {
        uninstall(&without_the_kinds(), &installation()).await.unwrap();
    }

    /// Somebody sets the replicas again, as often as they are taken away.
    #[tokio::test(start_paused = true)]
    async fn whoever_puts_the_operator_back_is_thought_of() {
        let answer = async |uri: axum::http::Uri| {
            if uri.query().is_some_and(|query| query.contains("watch=true")) {
                std::future::pending::<()>().await;
            }
            let mut running = json!({ "metadata": { "name": "kymaros", "resourceVersion": "1", "generation": 2 },
                "spec": { "selector": {}, "template": {} }, "status": { "observedGeneration": 2, "replicas": 2 } });
            if !uri.path().ends_with("/kymaros") {
                running = json!({ "metadata": { "resourceVersion": "1" }, "items": [running] });
            }
            Json(running)
        };
        let client = Client::new(axum::Router::new().fallback(answer), "default");
        let error = uninstall(&client, &installation()).await.unwrap_err().to_string();
        assert!(
            error.contains("still runs") && error.contains("stop its synchronisation first"),
            "{error}"
        );
    }

    fn deployment(seen: i64, replicas: Option<i32>) -> Deployment {
        let status = DeploymentStatus {
            observed_generation: Some(seen),
            replicas,
            ..DeploymentStatus::default()
        };
        Deployment {
            status: Some(status),
            ..Deployment::default()
        }
    }

    #[test]
    fn an_operator_counts_as_stopped_only_when_its_controller_knows() {
        let stopped = has_no_replica(Some(4));
        assert!(!stopped(Some(&deployment(3, None))), "an old status");
        assert!(!stopped(Some(&deployment(4, Some(1)))), "a pod still runs");
        assert!(stopped(Some(&deployment(4, None))));
        assert!(stopped(None));
    }
}
