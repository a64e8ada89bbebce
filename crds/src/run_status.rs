//! Raw types of `RestoreReport.status` beyond 0.6.9: where a run stands, what it made and what it found.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// It waits for its turn at Velero.
    Queued,
    /// It chooses backups and makes sandboxes.
    Preparing,
    /// Velero restores.
    Restoring,
    /// Workloads start.
    Starting,
    /// Checks run.
    Checking,
    /// The verdict is made.
    Judging,
    /// Everything the run made is removed.
    CleaningUp,
    /// It is over.
    Completed,
}

/// The result of a run: `pass` (the backup can be restored), `partial` (with losses), `fail` (it cannot), `inconclusive`
/// (that could not be found out).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunResult {
    /// The backup can be restored.
    Pass,
    /// The backup cannot be restored.
    Fail,
    /// It can be restored with losses.
    Partial,
    /// That could not be found out.
    Inconclusive,
}

impl RunResult {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Partial, Self::Inconclusive];

    /// As it is stored.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Partial => "partial",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The result that is stored as this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.word() == word)
    }

    /// Whether it says something about the backup.
    #[must_use]
    pub const fn is_conclusive(self) -> bool {
        !matches!(self, Self::Inconclusive)
    }

    /// The score of a verdict with this result; none when it is inconclusive: its points say what could be looked at, and
    /// nothing of the backup.
    #[must_use]
    pub fn score(self, points: Option<i32>) -> Option<i32> {
        points.filter(|_| self.is_conclusive())
    }
}

/// Who is to blame: the `backup`, the `restoreEngine` (Velero), the `sandbox` or its cluster, the `application`, or
/// `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The backup does not hold what it should.
    Backup,
    /// Velero did not bring back what the backup holds.
    RestoreEngine,
    /// The sandbox or its cluster stood in the way.
    Sandbox,
    /// The application, once restored, does not work.
    Application,
    /// That cannot be told.
    Unknown,
}

/// Something seen in a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The level it belongs to.
    pub level: FindingLevel,
    /// How bad it is.
    pub severity: Severity,
    /// Who is to blame.
    pub cause: Cause,
    /// What kind of finding it is, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it is about, as `Kind/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// One sentence.
    pub message: String,
}

/// The level a finding belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FindingLevel {
    /// Level 1.
    RestoreIntegrity,
    /// Level 2.
    Completeness,
    /// Level 3.
    PodStartup,
    /// Level 4.
    InternalHealth,
    /// Level 5.
    CrossNamespaceDeps,
    /// Level 6.
    RtoCompliance,
    /// The run as a whole.
    Run,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Something was lost.
    Error,
}

/// The place of a waiting run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// 1 is next.
    pub position: i32,
    /// What it waits for.
    pub reason: String,
}

/// The backup that was chosen for a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedBackup {
    /// Name of the Velero Backup.
    pub name: String,
    /// The Velero Schedule that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How old it was when it was chosen, such as `26h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
    /// How much it holds; only in reports of 0.6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// Velero's phase of it, such as `Completed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The storage location of Velero that it is kept in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its filters leave out volumes, so what it says of volume claims is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_volumes: Option<bool>,
    /// What it holds could be read: the plan counts it, and none of its volumes would come back in production's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<bool>,
}

/// A sandbox of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxStatus {
    /// The source namespace it stands for.
    pub source: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// What became of it, such as `Ready`, `Retained` or `Removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A Velero Restore of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatusSummary {
    /// Its name.
    pub name: String,
    /// Velero's phase of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When Velero took it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Warnings that Velero counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<i32>,
    /// Errors that Velero counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<i32>,
    /// Objects restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_restored: Option<i32>,
    /// Objects to be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_items: Option<i32>,
}

/// A stretch of the run's time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// What happened.
    pub name: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// How long it took, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What becomes of the objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedKind {
    /// The kind, such as `apps/v1/Deployment`.
    pub kind: String,
    /// What becomes of them.
    pub action: PlanAction,
    /// How many there are.
    pub objects: i32,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What becomes of an object of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanAction {
    /// It must not come back, and so nothing is restored.
    Refused,
    /// It comes back without what would reach out of the sandbox.
    Rewritten,
    /// It does not come back.
    Excluded,
    /// It comes back as it was.
    Kept,
}

impl PlanAction {
    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Rewritten => "rewritten",
            Self::Excluded => "excluded",
            Self::Kept => "kept",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_results_are_those_that_are_stored() {
        for result in RunResult::ALL {
            assert_eq!(serde_json::to_value(result).unwrap(), result.word());
            assert_eq!(RunResult::of_word(result.word()), Some(result));
        }
        assert_eq!(RunResult::of_word(""), None);
    }

    #[test]
    fn only_an_inconclusive_verdict_has_no_score() {
        let without = RunResult::ALL.map(|result| result.score(Some(51)).is_none());
        assert_eq!(without, [false, false, false, true]);
    }
}
