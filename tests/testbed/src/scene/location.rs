//! Places where Velero keeps backups, beside the one that the cluster comes with.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};

use super::backup::VELERO;
use crate::places::{self, NODE_ADDRESS, S3_TLS_PORT};

fn locations(client: &Client) -> (Api<DynamicObject>, ApiResource) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "BackupStorageLocation"));
    let api = Api::namespaced_with(client.clone(), VELERO, &resource);
    (api, resource)
}

/// A storage location behind TLS, as soon as Velero trusts it: `trust` is merged into its spec.
///
/// # Errors
/// When Velero does not take it within a minute.
pub async fn location(client: &Client, name: &str, trust: &Value) -> Result<()> {
    let (api, resource) = locations(client);
    let mut location = DynamicObject::new(name, &resource).within(VELERO);
    // A folder that Velero knows: any other one in the bucket's root makes the location there invalid.
    location.data = json!({ "spec": {
        "provider": "aws",
        "objectStorage": { "bucket": "velero", "prefix": format!("plugins/{name}") },
        "config": { "region": "us-east-1", "s3ForcePathStyle": "true",
                    "s3Url": address(S3_TLS_PORT) },
    }});
    for (part, values) in trust.as_object().into_iter().flatten() {
        for (key, value) in values.as_object().into_iter().flatten() {
            location.data["spec"][part][key] = value.clone();
        }
    }
    api.create(&PostParams::default(), &location).await?;
    let available = await_condition(api, name, |location: Option<&DynamicObject>| {
        location.is_some_and(|l| l.data["status"]["phase"] == "Available")
    });
    tokio::time::timeout(Duration::from_mins(1), available)
        .await
        .context("Velero does not take the location")??;
    Ok(())
}

/// Sends Velero to another port for such a location.
///
/// # Errors
/// When it is not there.
pub async fn move_location(client: &Client, name: &str, port: u16) -> Result<()> {
    let (api, _) = locations(client);
    let moved = Patch::Merge(json!({ "spec": { "config": { "s3Url": address(port) } } }));
    api.patch(name, &PatchParams::default(), &moved).await?;
    Ok(())
}

fn address(port: u16) -> String {
    format!("https://{NODE_ADDRESS}:{port}")
}

/// Takes away such a location; what it keeps stays.
///
/// # Errors
/// When it is not there.
pub async fn forget_location(client: &Client, name: &str) -> Result<()> {
    let (api, _) = locations(client);
    api.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

/// A Secret of Velero's with the authority of that place, and a location's reference to it.
///
/// # Errors
/// When the API server refuses.
pub async fn authority_in(client: &Client, secret: &str) -> Result<Value> {
    let authority = ByteString(std::fs::read(places::state("pki/ca.crt"))?);
    // One that a test before left behind is as good.
    let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": secret }, "data": { "ca": authority } });
    let secrets = Api::<Secret>::namespaced(client.clone(), VELERO);
    let params = PatchParams::apply("kymaros-tests").force();
    secrets.patch(secret, &params, &Patch::Apply(&object)).await?;
    Ok(json!({ "objectStorage": { "caCertRef": { "name": secret, "key": "ca" } } }))
}

/// Takes away such a Secret.
///
/// # Errors
/// When it is not there.
pub async fn forget_authority(client: &Client, secret: &str) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), VELERO);
    secrets.delete(secret, &DeleteParams::default()).await?;
    Ok(())
}
