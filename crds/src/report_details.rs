//! Raw types of `RestoreReport.status` as in 0.6.9: levels, checks, logs and events.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The measured recovery time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rto {
    /// From the start of the restore until everything was healthy, such as `2m30s`.
    pub measured: String,
    /// What was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether that was kept; true without a target.
    #[serde(rename = "withinSLA")]
    pub within_sla: bool,
}

/// The backup of the first source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupInfo {
    /// Name of the Velero Backup.
    pub name: String,
    /// How old it was when the run began, such as `26h`.
    pub age: String,
    /// How much it holds; only in reports of 0.6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// Objects in the sandboxes and in the backup, as `present/expected`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletenessCounts {
    /// Deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<String>,
    /// Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<String>,
    /// Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<String>,
    /// `ConfigMaps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_maps: Option<String>,
    /// Volume claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pvcs: Option<String>,
    /// Custom resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_resources: Option<String>,
}

/// The six levels; their points make up the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationLevels {
    /// The restore brought back objects and volume data without an error. 25 points.
    #[serde(default)]
    pub restore_integrity: LevelStatus,
    /// Every object of the backup is there. 20 points.
    #[serde(default)]
    pub completeness: LevelStatus,
    /// Every workload came up. 20 points.
    #[serde(default)]
    pub pod_startup: LevelStatus,
    /// The checks passed. 20 points.
    #[serde(default)]
    pub internal_health: LevelStatus,
    /// What workloads need in other namespaces is part of the test. 10 points.
    #[serde(default)]
    pub cross_namespace_deps: LevelStatus,
    /// The recovery time is within the agreed one. 5 points.
    #[serde(default)]
    pub rto_compliance: LevelStatus,
}

/// How one level was judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelStatus {
    /// The judgement.
    pub status: LevelResult,
    /// In one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tested: Vec<String>,
    /// What was not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_tested: Vec<String>,
    /// Points earned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<i32>,
    /// Points that full marks give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i32>,
}

/// The judgement of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LevelResult {
    /// Full marks.
    Pass,
    /// No marks.
    Fail,
    /// Some marks.
    Partial,
    /// There was nothing to judge, or it could not be looked at.
    #[default]
    NotTested,
}

/// How one check ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// The check's name.
    pub name: String,
    /// How it ended.
    pub status: CheckResult,
    /// How long it took, such as `1.2s`.
    pub duration: String,
    /// What was seen.
    pub message: String,
    /// The source namespace it was bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether its failure fails the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Whether there was nothing to ask: no such Service or port, pod or container, object or kind. That is no matter of
    /// networks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_missing: bool,
    /// When it first passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<MicroTime>,
    /// Whether it may have passed before that: no operator was there to try it, and the first try after that passed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_passed_before: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckResult {
    /// It passed.
    Pass,
    /// It failed.
    #[default]
    Fail,
    /// It could not be made; that says nothing about the backup.
    Skip,
}

/// Logs of one pod of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodLog {
    /// The pod.
    pub pod_name: String,
    /// Its sandbox.
    pub namespace: String,
    /// Its phase.
    #[serde(default)]
    pub phase: String,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<ContainerLog>,
}

/// Log of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerLog {
    /// The container.
    pub name: String,
    /// Which of its logs.
    #[serde(rename = "type")]
    pub type_: ContainerLogType,
    /// The last lines.
    #[serde(default)]
    pub log: String,
    /// Whether more was written than is shown.
    #[serde(default)]
    pub truncated: bool,
    /// Lines written in all; only in reports of 0.6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_lines: Option<i32>,
}

/// Which log of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContainerLogType {
    /// Of the running container.
    #[default]
    Container,
    /// Of an init container.
    Init,
    /// Of the try before the last restart.
    Previous,
}

/// A Kubernetes Event of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectedEvent {
    /// `Normal` or `Warning`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// Why, in one word.
    #[serde(default)]
    pub reason: String,
    /// Why, in words.
    #[serde(default)]
    pub message: String,
    /// What it is about, as `Kind/name`.
    #[serde(default)]
    pub involved_object: String,
    /// When it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<Time>,
    /// How often it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
}
