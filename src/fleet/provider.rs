//! Velero, as far as its objects tell.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::moments::{ago, duration_text};
use crate::velero::{Backup, Schedule, StorageLocation, restore::timestamp, server};

/// The backup product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its name.
    pub provider: &'static str,
    /// `connected`, or `not found` without a server in its namespace.
    pub status: &'static str,
    /// Where it runs.
    pub namespace: String,
    /// The version of its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The storage location of backups that name none.
    #[serde(rename = "defaultBSL", skip_serializing_if = "Option::is_none")]
    pub default_location: Option<String>,
    /// Whether that can be reached, in Velero's word.
    #[serde(rename = "defaultBSLPhase", skip_serializing_if = "Option::is_none")]
    pub default_location_phase: Option<String>,
    /// Its Backups.
    pub backup_count: usize,
    /// Its Schedules.
    pub schedule_count: usize,
    /// Age of the newest Backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup_age: Option<String>,
    /// The newest Backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup_name: Option<String>,
}

type Objects<'a> = (&'a [Arc<Backup>], &'a [Arc<Schedule>], &'a [Arc<StorageLocation>]);

pub(super) fn provider(
    namespace: &str,
    (backups, schedules, locations): Objects<'_>,
    deployments: &[Arc<Deployment>],
    now: Timestamp,
) -> Provider {
    let server = deployments
        .iter()
        .find(|deployment| server::is_server(deployment));
    let default = locations
        .iter()
        .find(|location| location.spec.default == Some(true));
    let newest = backups.iter().max_by_key(|backup| taken(backup));
    Provider {
        provider: "velero",
        status: if server.is_some() {
            "connected"
        } else {
            "not found"
        },
        namespace: namespace.to_owned(),
        version: server.and_then(|server| version(server)),
        default_location: default.map(|location| location.name_any()),
        default_location_phase: default.and_then(|location| location.status.clone()?.phase),
        backup_count: backups.len(),
        schedule_count: schedules.len(),
        last_backup_age: newest
            .and_then(|backup| taken(backup))
            .map(|at| duration_text(ago(now, at))),
        last_backup_name: newest.map(|backup| backup.name_any()),
    }
}

fn taken(backup: &Backup) -> Option<Timestamp> {
    let started = backup
        .status
        .as_ref()
        .and_then(|status| status.start_timestamp.as_deref());
    timestamp(started).or_else(|| backup.creation_timestamp().map(|at| at.0))
}

/// The tag of the image, without a digest.
fn version(server: &Deployment) -> Option<String> {
    let pod = server.spec.as_ref()?.template.spec.as_ref()?;
    let image = pod.containers.first()?.image.as_deref()?;
    let image = image.split('@').next()?;
    let (_, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    Some(tag.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{read, shared};

    fn server(image: &str) -> Deployment {
        read(json!({
            "metadata": { "name": "velero" },
            "spec": { "selector": {}, "template": { "spec": { "containers": [
                { "name": "velero", "image": image, "command": ["/velero"], "args": ["server"] }] } } },
        }))
    }

    #[test]
    fn velero_is_known_by_its_server_and_its_newest_backup() {
        let backup = |name: &str, taken: &str| -> Backup {
            read(json!({ "metadata": { "name": name }, "spec": {}, "status": { "startTimestamp": taken } }))
        };
        let backups = shared([
            backup("new", "2026-01-02T00:00:00Z"),
            backup("old", "2026-01-01T00:00:00Z"),
        ]);
        let location: StorageLocation = read(json!({
            "metadata": { "name": "default" }, "spec": { "default": true }, "status": { "phase": "Available" } }));
        let now = "2026-01-02T06:00:00Z".parse().unwrap();
        let locations = shared([location]);
        let deployments = shared([server("registry:5000/velero:v1.18.0@sha256:aa")]);
        let seen = provider("velero", (&backups, &[], &locations), &deployments, now);
        assert_eq!(
            serde_json::to_value(&seen).unwrap(),
            json!({ "provider": "velero", "status": "connected", "namespace": "velero", "version": "v1.18.0",
                    "defaultBSL": "default", "defaultBSLPhase": "Available", "backupCount": 2, "scheduleCount": 0,
                    "lastBackupAge": "6h", "lastBackupName": "new" })
        );
        let none = provider("velero", (&[], &[], &[]), &[], now);
        assert_eq!((none.status, none.last_backup_name), ("not found", None));
        assert_eq!(version(&server("registry:5000/velero")), None);
    }
}
