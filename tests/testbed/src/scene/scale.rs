//! How many pods a Deployment has.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::json;

/// Sets the number of a Deployment's replicas and waits until it is so, with nothing left of pods that go from its
/// namespace; how many there were.
///
/// # Errors
/// When it is not so within two minutes.
pub async fn scale_deployment(client: &Client, namespace: &str, name: &str, replicas: i32) -> Result<i32> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let before = deployments.get(name).await?.spec.and_then(|s| s.replicas);
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    deployments.patch(name, &PatchParams::default(), &patch).await?;
    let so = await_condition(deployments, name, move |d: Option<&Deployment>| {
        let status = d.and_then(|d| d.status.clone()).unwrap_or_default();
        status.ready_replicas.unwrap_or_default() == replicas
            && status.replicas.unwrap_or_default() == replicas
    });
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, so)
        .await
        .with_context(|| format!("{name} never had {replicas} replicas"))??;
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await?.items {
        if pod.metadata.deletion_timestamp.is_some() {
            let going = pod.name_any();
            let gone = await_condition(pods.clone(), &going, |pod: Option<&Pod>| pod.is_none());
            tokio::time::timeout(patience, gone)
                .await
                .with_context(|| format!("{going} does not go"))??;
        }
    }
    Ok(before.unwrap_or(1))
}
