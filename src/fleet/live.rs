//! The queue and the runs that go on.

use kube::ResourceExt;
use kymaros_crds::{
    CheckResult, QueueStatus, RestoreReport, RestoreStatusSummary, RunPhase, RunResult, SandboxStatus,
    Trigger,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{cluster::ClusterName, moments::moment};
use crate::run::observe;

/// A run as it goes on.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveRun {
    /// Its report.
    pub report: String,
    /// Namespace of test and report.
    pub namespace: String,
    /// The test.
    pub test: String,
    /// Where it stands.
    pub phase: RunPhase,
    /// Why it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it left the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Its place in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueStatus>,
    /// Its sandboxes.
    pub sandboxes: Vec<SandboxStatus>,
    /// Its Velero Restores, with their progress.
    pub restores: Vec<RestoreStatusSummary>,
    /// Checks that have ended.
    pub checks_done: usize,
    /// Those of them that passed.
    pub checks_passed: usize,
    /// Its score, once there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// Its result, once there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    /// The verdict in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The cluster it goes on in; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
}

impl LiveRun {
    /// What a report of a cluster says of its run.
    #[must_use]
    pub fn of(report: &RestoreReport, cluster: Option<&ClusterName>) -> Self {
        let status = report.status.clone().unwrap_or_default();
        let phase = observe::phase(report);
        let passed = status
            .checks
            .iter()
            .filter(|check| check.status == CheckResult::Pass);
        Self {
            report: report.name_any(),
            namespace: report.namespace().unwrap_or_default(),
            test: report.spec.test_ref.clone(),
            phase,
            trigger: report.spec.trigger,
            created_at: report.creation_timestamp().map(|at| moment(at.0)),
            started_at: status.started_at.map(|at| moment(at.0)),
            queue: status.queue.filter(|_| phase == RunPhase::Queued),
            checks_done: status.checks.len(),
            checks_passed: passed.count(),
            sandboxes: status.sandboxes,
            restores: status.restores,
            score: status.score,
            result: status.result,
            message: status.message,
            cluster: cluster.cloned(),
        }
    }

    /// Those that run come first, the furthest of them at the top; then the queue.
    pub(super) fn order(&self) -> (bool, std::cmp::Reverse<RunPhase>, i32, Option<String>, String) {
        let is_queued = self.phase == RunPhase::Queued;
        let place = self.queue.as_ref().map_or(i32::MAX, |queue| queue.position);
        let phase = std::cmp::Reverse(self.phase);
        (
            is_queued,
            phase,
            place,
            self.created_at.clone(),
            self.report.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::report;

    #[test]
    fn what_runs_comes_before_what_waits() {
        let with = |test: &str, phase, place: Option<i32>| {
            let mut report = report("ops", test, 1, "", None);
            let status = report.status.as_mut().unwrap();
            status.phase = Some(phase);
            status.queue = place.map(|position| QueueStatus {
                position,
                reason: "run a is before it".into(),
            });
            LiveRun::of(&report, None)
        };
        let mut runs = [
            with("third", RunPhase::Queued, Some(2)),
            with("second", RunPhase::Queued, Some(1)),
            with("first", RunPhase::Checking, Some(1)),
        ];
        runs.sort_by_cached_key(LiveRun::order);
        let tests: Vec<&str> = runs.iter().map(|run| run.test.as_str()).collect();
        assert_eq!(tests, ["first", "second", "third"]);
        assert!(runs[0].queue.is_none() && runs[1].queue.is_some());
    }
}
