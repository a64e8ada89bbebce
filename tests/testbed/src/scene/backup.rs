//! Backups by Velero.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};

/// Where Velero lives.
pub const VELERO: &str = "velero";

/// What goes into a backup.
#[derive(Clone, Debug)]
pub struct Backup {
    spec: Value,
}

impl Backup {
    /// Everything of these namespaces, with the data of their volumes.
    #[must_use]
    pub fn of(namespaces: &[&str]) -> Self {
        Self {
            spec: json!({
                "includedNamespaces": namespaces, "storageLocation": "default", "snapshotVolumes": false,
                "defaultVolumesToFsBackup": true, "ttl": "24h0m0s",
            }),
        }
    }

    /// Leaves the data of volumes out.
    #[must_use]
    pub fn without_volume_data(mut self) -> Self {
        self.spec["defaultVolumesToFsBackup"] = false.into();
        self
    }

    /// With these fields of its spec.
    #[must_use]
    pub fn with(mut self, fields: &Value) -> Self {
        for (key, value) in fields.as_object().into_iter().flatten() {
            self.spec[key] = value.clone();
        }
        self
    }

    /// Leaves kinds out, for example `secrets`.
    #[must_use]
    pub fn without(mut self, resources: &[&str]) -> Self {
        self.spec["excludedResources"] = json!(resources);
        self
    }
}

/// Takes a backup and waits for it; its phase.
///
/// # Errors
/// When Velero refuses it or does not end it within five minutes.
pub async fn backup(client: &Client, name: &str, what: &Backup) -> Result<String> {
    let api = api(client);
    let mut object = DynamicObject::new(name, &resource()).within(VELERO);
    object.data = json!({ "spec": what.spec });
    api.create(&PostParams::default(), &object)
        .await
        .with_context(|| format!("making backup {name}"))?;
    let ended = await_condition(api.clone(), name, |b: Option<&DynamicObject>| {
        let phase = b
            .and_then(|b| b.data["status"]["phase"].as_str())
            .unwrap_or_default();
        matches!(
            phase,
            "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation"
        )
    });
    let Ok(ended) = tokio::time::timeout(Duration::from_mins(5), ended).await else {
        bail!("backup {name} did not end within five minutes; `velero backup logs {name}` may say why");
    };
    let phase = ended?.and_then(|b| b.data["status"]["phase"].as_str().map(str::to_owned));
    Ok(phase.unwrap_or_default())
}

/// Deletes a backup with its data.
///
/// # Errors
/// When the API server refuses.
pub async fn delete_backup(client: &Client, name: &str) -> Result<()> {
    let gvk = GroupVersionKind::gvk("velero.io", "v1", "DeleteBackupRequest");
    let resource = ApiResource::from_gvk(&gvk);
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), VELERO, &resource);
    let mut object = DynamicObject::new(name, &resource).within(VELERO);
    object.data = json!({ "spec": { "backupName": name } });
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Backup"))
}

fn api(client: &Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), VELERO, &resource())
}
