//! The operator in the cluster, from its image and the very manifests users apply.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};

use super::apply;

/// Where the operator lives.
pub const NAMESPACE: &str = "kymaros-system";
/// Label on an operator that tests deployed, and may replace.
const TESTED: &str = "kymaros.test/deployed";
/// The image that the manifest for users names.
const RELEASED: &str = "ghcr.io/kymaroshq/kymaros:0.1.0";

/// An operator to be deployed.
#[derive(Clone, Debug)]
pub struct Operator<'a> {
    /// The definitions and manifests, in the order they are applied.
    pub manifests: &'a [&'a Path],
    /// The image, already loaded.
    pub image: &'a str,
}

/// Applies the manifests with the given image and waits until the operator is ready.
///
/// # Errors
/// When something is refused or it is not ready within a minute.
pub async fn deploy(client: &Client, operator: &Operator<'_>) -> Result<()> {
    let api = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let installed = api.get_opt("kymaros").await?;
    if installed.is_some_and(|d| !d.labels().contains_key(TESTED)) {
        bail!(
            "Kymaros is installed in this cluster already, and tests would replace it; use another cluster"
        );
    }
    for path in operator.manifests {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let text = text.replace(RELEASED, operator.image);
        apply(client, "default", &text).await?;
    }
    let mark = serde_json::json!({ "metadata": { "labels": { TESTED: "true" } } });
    api.patch("kymaros", &PatchParams::default(), &Patch::Merge(&mark))
        .await?;
    let ready = await_condition(api, "kymaros", |d: Option<&Deployment>| {
        let Some(d) = d else { return false };
        let status = d.status.clone().unwrap_or_default();
        let current =
            status.observed_generation.unwrap_or_default() >= d.metadata.generation.unwrap_or_default();
        current
            && status.updated_replicas == Some(1)
            && status.ready_replicas == Some(1)
            && status.replicas == Some(1)
    });
    if tokio::time::timeout(Duration::from_mins(1), ready).await.is_err() {
        bail!("the operator is not ready after a minute; `kubectl -n {NAMESPACE} describe pods` may say why");
    }
    Ok(())
}
