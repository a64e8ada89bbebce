//! Raw types of `RestoreTest.status`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{RunResult, lenient};

/// What `kubectl get restoretest` shows of the latest run. Written by the operator only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreTestStatus {
    /// Where the test stands.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub phase: Option<RestoreTestPhase>,

    /// When the latest verdict was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<Time>,

    /// Score of the latest verdict, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_score: Option<i32>,

    /// Result of the latest verdict.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_result: Option<RunResult>,

    /// Name of the report with the latest verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_report_ref: Option<String>,

    /// The next planned run; nothing while the test is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_at: Option<Time>,

    /// The first of `sandboxNamespaces`, for clients of 0.6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_namespace: Option<String>,

    /// The first of `restoreIDs`, for clients of 0.6.9.
    #[serde(default, rename = "restoreID", skip_serializing_if = "Option::is_none")]
    pub restore_id: Option<String>,

    /// Sandboxes of the running, else of the latest run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandbox_namespaces: Vec<String>,

    /// Velero Restores of the running, else of the latest run.
    #[serde(default, rename = "restoreIDs", skip_serializing_if = "Vec::is_empty")]
    pub restore_ids: Vec<String>,

    /// `Ready` (the spec is valid), `Scheduled` (a next run is planned), and of the latest run `Succeeded`, `Regressed`,
    /// `RTOExceeded` and `Notified`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where a test stands: `Idle` has not run yet; `Failed` is the result `fail` of the latest run, `Completed` any other,
/// `partial` and `inconclusive` among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreTestPhase {
    /// It has not run yet.
    Idle,
    /// A run goes on.
    Running,
    /// The latest run has ended with another result than `fail`.
    Completed,
    /// The latest run has ended with the result `fail`.
    Failed,
}
