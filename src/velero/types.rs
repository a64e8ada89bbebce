//! The parts of Velero's API (`velero.io/v1`) that Kymaros reads or writes.
//!
//! Every field is optional and timestamps stay text until they are needed: a field that a newer Velero
//! writes differently must not stop a watch for all other objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Label that Velero puts on a Backup made by a Schedule.
pub const SCHEDULE_NAME_LABEL: &str = "velero.io/schedule-name";
/// Label that keeps an object, or a whole namespace, out of backups.
pub const EXCLUDE_FROM_BACKUP_LABEL: &str = "velero.io/exclude-from-backup";
/// Annotation on a Restore: how long Velero waits for pod volumes of this Restore.
pub const POD_VOLUME_TIMEOUT_ANNOTATION: &str = "velero.io/pod-volume-timeout";

/// A backup as Velero records it.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "Backup",
    namespaced,
    schema = "disabled"
)]
#[kube(status = "BackupStatus", derive = "PartialEq")]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSpec {
    /// The `BackupStorageLocation` it is kept in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// Source namespaces; empty or `*` means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_namespaces: Option<Vec<String>>,
    /// Namespaces left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_namespaces: Option<Vec<String>>,
    /// Kinds; empty or `*` means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_resources: Option<Vec<String>>,
    /// Kinds left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_resources: Option<Vec<String>>,
    /// Kinds without a namespace; empty means those that included objects need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_cluster_scoped_resources: Option<Vec<String>>,
    /// Kinds without a namespace that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_cluster_scoped_resources: Option<Vec<String>>,
    /// Whether kinds without a namespace are backed up; unset means those that included objects need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_cluster_resources: Option<bool>,
}

/// What Velero says about a Backup.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// One of Velero's backup phases; unknown ones count as not usable.
    pub phase: Option<String>,
    /// When the backup began, RFC 3339.
    pub start_timestamp: Option<String>,
    /// When the backup ended, RFC 3339.
    pub completion_timestamp: Option<String>,
    /// Number of errors.
    pub errors: Option<i64>,
    /// Why the backup failed.
    pub failure_reason: Option<String>,
}

/// What makes backups, as far as people want to know of it.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "Schedule",
    namespaced,
    schema = "disabled"
)]
#[kube(status = "ScheduleStatus", derive = "PartialEq")]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleSpec {
    /// A cron expression.
    pub schedule: Option<String>,
    /// Whether it makes no backups for now.
    pub paused: Option<bool>,
    /// What the backups are made with.
    pub template: Option<ScheduleTemplate>,
}

/// What the backups of a Schedule are made with.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleTemplate {
    /// Source namespaces; empty or `*` means all.
    pub included_namespaces: Option<Vec<String>>,
}

/// What Velero says about a Schedule.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleStatus {
    /// `New`, `Enabled` or `FailedValidation`.
    pub phase: Option<String>,
    /// When it last made a backup, RFC 3339.
    pub last_backup: Option<String>,
}

/// Where backups are kept, as far as people want to know of it: neither its address nor its credentials.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "BackupStorageLocation",
    root = "StorageLocation",
    namespaced,
    schema = "disabled"
)]
#[kube(status = "StorageLocationStatus", derive = "PartialEq")]
#[serde(rename_all = "camelCase", default)]
pub struct StorageLocationSpec {
    /// Whether backups go there that name none.
    pub default: Option<bool>,
}

/// What Velero says about a storage location.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageLocationStatus {
    /// `Available` or `Unavailable`.
    pub phase: Option<String>,
}

/// A restore of one backup.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "Restore",
    namespaced,
    schema = "disabled"
)]
#[kube(status = "RestoreStatus", derive = "PartialEq")]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreSpec {
    /// The backup to restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_name: Option<String>,
    /// Source namespaces, always named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub included_namespaces: Option<Vec<String>>,
    /// Kinds that are never restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_resources: Option<Vec<String>>,
    /// Source namespace to sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_mapping: Option<BTreeMap<String, String>>,
    /// Which objects of the source namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// `none`: an object that is already there stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_resource_policy: Option<String>,
    /// Whether explicit node ports come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_node_ports: Option<bool>,
    /// How long asynchronous item operations may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_operation_timeout: Option<String>,
}

/// What Velero says about a Restore.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    /// One of Velero's restore phases.
    pub phase: Option<String>,
    /// When Velero took the Restore up, RFC 3339.
    pub start_timestamp: Option<String>,
    /// When the Restore ended, RFC 3339.
    pub completion_timestamp: Option<String>,
    /// Number of warnings.
    pub warnings: Option<i64>,
    /// Number of errors.
    pub errors: Option<i64>,
    /// Why the Restore failed.
    pub failure_reason: Option<String>,
    /// Why the Restore was refused.
    pub validation_errors: Option<Vec<String>>,
    /// Items restored so far.
    pub progress: Option<RestoreProgress>,
    /// Asynchronous item operations that plugins began.
    pub restore_item_operations_attempted: Option<i64>,
    /// Those of them that failed.
    pub restore_item_operations_failed: Option<i64>,
}

/// Progress of a Restore.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreProgress {
    /// Items the Restore will look at, as known so far.
    pub total_items: Option<i64>,
    /// Items restored.
    pub items_restored: Option<i64>,
}

/// Asks Velero for a signed address of one artifact of a Backup or Restore.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[kube(
    group = "velero.io",
    version = "v1",
    kind = "DownloadRequest",
    namespaced,
    schema = "disabled"
)]
#[kube(status = "DownloadRequestStatus", derive = "PartialEq")]
pub struct DownloadRequestSpec {
    /// Which artifact.
    pub target: DownloadTarget,
}

/// The artifact asked for.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadTarget {
    /// The kind of artifact, for example `RestoreResults`.
    pub kind: String,
    /// The Backup or Restore it belongs to.
    pub name: String,
}

/// Velero's answer.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DownloadRequestStatus {
    /// `New` or `Processed`.
    pub phase: Option<String>,
    /// The signed address, good for ten minutes. It is a credential: never logged.
    #[serde(rename = "downloadURL")]
    pub download_url: Option<String>,
}
