//! What a `RestoreTest` says of its runs: its status, from its reports.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kymaros_crds::{
    RestoreReport, RestoreReportStatus, RestoreTestPhase, RestoreTestStatus, RunPhase, RunResult,
    domain::Invalid,
};

use super::decide::Decision;
use crate::{condition, reason::ConditionReason, run::observe};

/// Whether a test can be run at all.
#[derive(Clone, Debug)]
pub enum Readiness<'a> {
    /// Its spec parses; warnings about what is legal but unusual.
    Ready {
        /// What is to be done next.
        decision: &'a Decision,
        /// It is suspended.
        suspended: bool,
        /// Warnings of its schedule.
        warnings: &'a [String],
    },
    /// Its spec does not parse.
    Invalid(&'a Invalid),
}

/// The status of a test, from the one it has and its reports (newest last).
#[must_use]
pub fn status(
    old: &RestoreTestStatus,
    reports: &[&RestoreReport],
    readiness: &Readiness<'_>,
    generation: Option<i64>,
) -> RestoreTestStatus {
    let mut status = old.clone();
    let active = reports
        .iter()
        .rev()
        .find(|r| r.status.is_some() && observe::phase(r) != RunPhase::Completed);
    let judged = reports
        .iter()
        .rev()
        .find(|r| of(r).is_some_and(|s| s.result.is_some()));
    if let Some((report, run)) = judged.and_then(|r| of(r).map(|s| (r, s))) {
        status.last_run_at.clone_from(&run.completed_at);
        status.last_score = run.score;
        status.last_result = run.result;
        status.last_report_ref.clone_from(&report.metadata.name);
    }
    if let Some(run) = active.or(judged).and_then(|r| of(r)) {
        status.sandbox_namespaces = run.sandboxes.iter().map(|s| s.name.clone()).collect();
        status.restore_ids = run.restores.iter().map(|r| r.name.clone()).collect();
        // The first of each, as 0.6.9 had it.
        status.sandbox_namespace = status.sandbox_namespaces.first().cloned();
        status.restore_id = status.restore_ids.first().cloned();
    }
    status.phase = Some(match (active, status.last_result) {
        (Some(_), _) => RestoreTestPhase::Running,
        (None, None) => RestoreTestPhase::Idle,
        (None, Some(RunResult::Fail)) => RestoreTestPhase::Failed,
        (None, Some(_)) => RestoreTestPhase::Completed,
    });
    status.next_run_at = match readiness {
        Readiness::Ready { decision, .. } => decision.next.map(Time),
        Readiness::Invalid(_) => None,
    };
    conditions(&mut status, judged.and_then(|r| of(r)), readiness, generation);
    status
}

fn of(report: &RestoreReport) -> Option<&RestoreReportStatus> {
    report.status.as_ref()
}

fn conditions(
    status: &mut RestoreTestStatus,
    last: Option<&RestoreReportStatus>,
    readiness: &Readiness<'_>,
    generation: Option<i64>,
) {
    let conditions = &mut status.conditions;
    match readiness {
        Readiness::Invalid(invalid) => {
            let message = invalid.to_string();
            condition::set(
                conditions,
                "Ready",
                false,
                ConditionReason::InvalidSpec.as_str(),
                &message,
                generation,
            );
            condition::set(
                conditions,
                "Scheduled",
                false,
                ConditionReason::InvalidSpec.as_str(),
                "it is not run until its spec is mended",
                generation,
            );
        }
        Readiness::Ready {
            decision,
            suspended,
            warnings,
        } => {
            condition::set(
                conditions,
                "Ready",
                true,
                ConditionReason::Valid.as_str(),
                &warnings.join("; "),
                generation,
            );
            match (suspended, decision.next) {
                (true, _) => {
                    condition::set(
                        conditions,
                        "Scheduled",
                        false,
                        ConditionReason::Suspended.as_str(),
                        "only manual runs",
                        generation,
                    );
                }
                (false, Some(next)) => {
                    let message = format!("next run at {}", rounded(next));
                    condition::set(
                        conditions,
                        "Scheduled",
                        true,
                        ConditionReason::Planned.as_str(),
                        &message,
                        generation,
                    );
                }
                (false, None) => {
                    condition::set(
                        conditions,
                        "Scheduled",
                        false,
                        ConditionReason::NeverDue.as_str(),
                        "no next run was found",
                        generation,
                    );
                }
            }
        }
    }
    if let Some(last) = last {
        adopt(conditions, last, generation);
    }
}

/// What the latest verdict says of the backup is what the test says. A condition that it does not have is no longer
/// true or false.
fn adopt(conditions: &mut Vec<Condition>, last: &RestoreReportStatus, generation: Option<i64>) {
    for type_ in ["Succeeded", "Regressed", "RTOExceeded", "Notified"] {
        let of_run = last.conditions.iter().find(|c| c.type_ == type_).cloned();
        let known = conditions.iter().position(|c| c.type_ == type_);
        match (of_run, known) {
            (Some(of_run), known) => {
                let condition = Condition {
                    observed_generation: generation,
                    ..of_run
                };
                match known {
                    Some(at) => conditions[at] = condition,
                    None => conditions.push(condition),
                }
            }
            (None, Some(at)) => {
                conditions.remove(at);
            }
            (None, None) => {}
        }
    }
}

fn rounded(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_of_0_6_9_without_a_phase_is_no_run_that_goes_on() {
        let phase = |completed: Option<&str>| {
            let report = json!({
                "metadata": { "name": "shop-1" }, "spec": { "testRef": "shop" },
                "status": { "result": "pass", "score": 90, "completedAt": completed },
            });
            let report: RestoreReport = serde_json::from_value(report).unwrap();
            let (old, invalid) = (RestoreTestStatus::default(), Invalid(Vec::new()));
            status(&old, &[&report], &Readiness::Invalid(&invalid), None).phase
        };
        assert_eq!(
            phase(Some("2026-01-01T03:00:00Z")),
            Some(RestoreTestPhase::Completed)
        );
        assert_eq!(phase(None), Some(RestoreTestPhase::Running));
    }
}
