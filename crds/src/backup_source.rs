//! Raw types of `RestoreTest.spec.backupSource`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A backup and what of it is restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new(
        "!has(self.scheduleName) || self.scheduleName == '' || !has(self.backupName) || self.backupName in ['', 'latest']"
    ).message("backupName and scheduleName exclude each other; keep one of the two"),
)]
#[serde(rename_all = "camelCase")]
pub struct BackupSource {
    /// The backup product.
    pub provider: Provider,

    /// Name of a Velero Backup. `latest`, or nothing: the newest usable one that holds every namespace below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub backup_name: Option<String>,

    /// Name of a Velero Schedule: its newest usable backup is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub schedule_name: Option<String>,

    /// How old the chosen backup may be (the RPO). An older one fails the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub max_age: Option<String>,

    /// What the backup is held against, besides its own contents; `Source` when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<CompletenessBasis>,

    /// The namespaces to restore.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.all(n, self.exists_one(m, m.name == n.name))")
            .message("a namespace is named twice; restore each once"),
        validation = Rule::new(
            "self.all(n, !has(n.sandboxName) || n.sandboxName == '' \
             || self.exists_one(m, has(m.sandboxName) && m.sandboxName == n.sandboxName))"
        ).message("two namespaces have the same sandboxName; give each its own"),
        validation = Rule::new("self.all(n, !has(n.sandboxName) || !self.exists(m, m.name == n.sandboxName))")
            .message("a sandboxName is also a namespace to restore; production is never a sandbox"),
    )]
    pub namespaces: Vec<SourceNamespace>,

    /// Only objects with all of these labels are restored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub label_selector: BTreeMap<String, String>,
}

/// The backup product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Provider {
    /// Velero.
    #[default]
    Velero,
}

/// What the backup is held against: `Source` (when not set) is its own contents and what the source held when it was
/// taken, `Backup` its own contents only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CompletenessBasis {
    /// The backup's own contents, and what its source held when it was taken.
    #[default]
    Source,
    /// The backup's own contents only.
    Backup,
}

/// A namespace in the backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceNamespace {
    /// Its name when it was backed up.
    #[schemars(schema_with = "schema::label_name")]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-') && self != 'velero'")
        .message("belongs to the cluster or to Velero and is never copied"))]
    pub name: String,

    /// The name of its sandbox. Without it each run makes a name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_label_name")]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-') && !(self in ['velero', 'default'])")
        .message("belongs to the cluster or to Velero; choose another name"))]
    pub sandbox_name: Option<String>,
}
