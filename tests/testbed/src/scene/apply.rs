//! Applying manifests, as `kubectl apply --server-side` does.

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{self, Scope},
};

use crate::cluster::REGISTRY;

/// Applies every document of `yaml`; those that name no namespace go into `namespace`.
///
/// # Errors
/// When a document does not parse or the API server refuses it; the message names it.
pub async fn apply(client: &Client, namespace: &str, yaml: &str) -> Result<()> {
    for document in documents(&with_registry(yaml))? {
        let types = document
            .types
            .clone()
            .context("a document without apiVersion and kind")?;
        let name = document.metadata.name.clone().unwrap_or_default();
        let gvk = GroupVersionKind::try_from(&types)?;
        let (resource, capabilities) = discovery::pinned_kind(client, &gvk).await?;
        let home = document
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| namespace.to_owned());
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(client.clone(), &home, &resource),
        };
        let params = PatchParams::apply("kymaros-testbed").force();
        api.patch(&name, &params, &Patch::Apply(&document))
            .await
            .with_context(|| format!("applying {}/{name}", types.kind))?;
    }
    Ok(())
}

/// Where the images of the tests have their names from.
const OWN: &str = "kymaros.test/";

/// A manifest or the name of an image for the cluster at hand: one that the user has pulls from the user's registry.
pub(super) fn with_registry(yaml: &str) -> String {
    match std::env::var(REGISTRY) {
        Ok(registry) => yaml.replace(OWN, &format!("{}/", registry.trim_end_matches('/'))),
        Err(_) => yaml.to_owned(),
    }
}

fn documents(yaml: &str) -> Result<Vec<DynamicObject>> {
    let values: Vec<serde_json::Value> = serde_saphyr::from_multiple(yaml)?;
    let objects = values
        .into_iter()
        .filter(|v| !v.is_null())
        .map(serde_json::from_value);
    Ok(objects.collect::<Result<_, _>>()?)
}
