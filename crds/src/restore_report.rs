//! The kind `RestoreReport`, as stored: the record of one run, from its first second.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    BackupInfo, Cause, CheckStatus, CollectedEvent, CompletenessCounts, Finding, HealthCheckPolicySpec,
    NotificationStatus, PlannedKind, PodLog, QueueStatus, ResolvedBackup, RestoreStatusSummary,
    RestoreTestSpec, Rto, RunPhase, RunResult, SandboxStatus, TimelineEntry, ValidationLevels, lenient,
    schema,
};

/// One run of a test: why it was made and what it is judged by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "restore.kymaros.io",
    version = "v1alpha1",
    kind = "RestoreReport",
    plural = "restorereports",
    singular = "restorereport",
    shortname = "rr",
    category = "kymaros",
    namespaced,
    status = "RestoreReportStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "RestoreReport is the record of one run of a RestoreTest, from its first second. Made by the operator.",
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Score", "type": "integer", "jsonPath": ".status.score"}"#,
    printcolumn = r#"{"name": "Result", "type": "string", "jsonPath": ".status.result"}"#,
    printcolumn = r#"{"name": "Test", "type": "string", "jsonPath": ".spec.testRef"}"#,
    printcolumn = r#"{"name": "RTO", "type": "string", "jsonPath": ".status.rto.measured", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReportSpec {
    /// Name of the test, in the report's namespace.
    pub test_ref: String,

    /// Why the run was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,

    /// When it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Time>,

    /// Planned times before this run that passed without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedTimes>,

    /// The test's spec when the run was made. Later edits of the test do not touch this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::frozen")]
    pub test: Option<RestoreTestSpec>,

    /// The policy's spec when the run was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::frozen")]
    pub policy: Option<HealthCheckPolicySpec>,

    /// The run before this one that said something about its backup; a regression is measured against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousRun>,
}

/// Planned times that passed without a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissedTimes {
    /// How many; of more than 1000 nobody counts the rest.
    pub times: i32,
    /// The first of them.
    pub first: Time,
}

impl MissedTimes {
    /// Times that are counted.
    pub const MOST: usize = 1000;
}

/// What a run is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousRun {
    /// Its report.
    pub report: String,
    /// Its score.
    pub score: i32,
    /// Its levels with full marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// Its measured recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<String>,
}

/// Why a run was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// It was due.
    Schedule,
    /// Somebody set the annotation `kymaros.io/trigger-now`.
    Annotation,
    /// Somebody called the REST API.
    #[serde(rename = "API")]
    Api,
    /// The test was new.
    Created,
}

/// What a run has done, seen and decided. Everything is optional: a report is there before its run knows anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReportStatus {
    /// Where the run stands.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub phase: Option<RunPhase>,

    /// `Complete` (is it over), `Succeeded` (did the backup prove itself), `Regressed` (is it worse than the run before)
    /// and, with `sla.alertOnExceed`, `RTOExceeded`; `Notified` (have all been told who are to be), when somebody is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The generation of the report that this status belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The score, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,

    /// The result.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub result: Option<RunResult>,

    /// Who is to blame for what was lost.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause: Option<Cause>,

    /// Why the run was ended early, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The verdict in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Which try this is, when it is not the first: a restore that was disturbed from outside is made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,

    /// When the run left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,

    /// When the verdict was given; cleanup comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,

    /// The place in the queue, while the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueStatus>,

    /// The resolved backup of the first source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ResolvedBackup>,

    /// The resolved backup of each source, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ResolvedBackup>,

    /// What becomes of the backup's objects, made before anything is restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedKind>,

    /// The sandboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandboxes: Vec<SandboxStatus>,

    /// The Velero Restores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restores: Vec<RestoreStatusSummary>,

    /// What took how long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<TimelineEntry>,

    /// The measured recovery time, once everything came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Rto>,

    /// The backup of the first source, as in 0.6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupInfo>,

    /// Objects in the sandboxes and in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<CompletenessCounts>,

    /// The six levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_levels: Option<ValidationLevels>,

    /// How each check ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,

    /// What was seen, each with who is to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,

    /// What got worse since the previous run that said something about its backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regressions: Vec<String>,

    /// Messages to those whom the test wants to be told. Written by the part of the operator that sends them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationStatus>,

    /// Findings that were left out to keep the report small.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: i32,

    /// Logs of the sandboxes, when `logCollection` asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_logs: Vec<PodLog>,

    /// Events of the sandboxes, when `logCollection` asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<CollectedEvent>,

    /// Objects of the run still in the cluster after cleanup; 0 is the proof that nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftovers: Option<i32>,
}

/// Takes a reference because serde asks for one.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &i32) -> bool {
    *number == 0
}
