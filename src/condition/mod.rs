//! Conditions after the Kubernetes convention: one writer each, the transition time moves only with the status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kymaros_crds::{RestoreReportSpec, RestoreReportStatus, RunPhase, RunResult};

use crate::reason::ConditionReason;

/// Sets a condition; message and reason may change without moving the transition time.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: bool,
    reason: &str,
    message: &str,
    generation: Option<i64>,
) {
    let status = if status { "True" } else { "False" };
    put(conditions, type_, status, reason, message, generation);
}

/// Why a test cannot be run.
#[must_use]
pub fn unready(conditions: &[Condition]) -> Option<&Condition> {
    conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status == "False")
}

fn put(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    generation: Option<i64>,
) {
    let known = conditions.iter().find(|c| c.type_ == type_ && c.status == status);
    let since = known.map_or_else(|| Time(Timestamp::now()), |c| c.last_transition_time.clone());
    // The API takes at most 32768 bytes; people read one sentence.
    let message: String = message.chars().take(1024).collect();
    let condition = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since,
        observed_generation: generation,
    };
    match conditions.iter_mut().find(|c| c.type_ == type_) {
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

/// The conditions of a run: `Complete` (is it over), `Succeeded` (did the backup prove itself), `Regressed` (is it worse
/// than the run before) and, where the test asks for it, `RTOExceeded`.
pub fn of_run(status: &mut RestoreReportStatus, spec: &RestoreReportSpec, generation: Option<i64>) {
    let phase = status.phase.unwrap_or(RunPhase::Queued);
    let message = status.message.clone().unwrap_or_default();
    let mut conditions = std::mem::take(&mut status.conditions);
    let waiting = status
        .queue
        .as_ref()
        .map(|q| q.reason.clone())
        .unwrap_or_default();
    let is_complete = phase == RunPhase::Completed;
    set(
        &mut conditions,
        "Complete",
        is_complete,
        &format!("{phase:?}"),
        &waiting,
        generation,
    );
    let reason = status.reason.clone();
    match status.result {
        None => put(
            &mut conditions,
            "Succeeded",
            "Unknown",
            ConditionReason::Running.as_str(),
            "",
            generation,
        ),
        Some(RunResult::Pass) => set(
            &mut conditions,
            "Succeeded",
            true,
            ConditionReason::Pass.as_str(),
            &message,
            generation,
        ),
        Some(RunResult::Inconclusive) => {
            let reason = reason.unwrap_or_else(|| ConditionReason::Inconclusive.into());
            put(
                &mut conditions,
                "Succeeded",
                "Unknown",
                &reason,
                &message,
                generation,
            );
        }
        Some(result) => {
            let by_result = match result {
                RunResult::Fail => ConditionReason::Fail,
                _ => ConditionReason::Partial,
            };
            let reason = reason.unwrap_or_else(|| by_result.into());
            set(&mut conditions, "Succeeded", false, &reason, &message, generation);
        }
    }
    if status.result.is_some() {
        of_comparison(&mut conditions, status, spec, generation);
        of_sla(&mut conditions, status, spec, generation);
    }
    status.conditions = conditions;
    status.observed_generation = generation;
}

fn of_comparison(
    conditions: &mut Vec<Condition>,
    status: &RestoreReportStatus,
    spec: &RestoreReportSpec,
    generation: Option<i64>,
) {
    let Some(previous) = &spec.previous else { return };
    if status.result == Some(RunResult::Inconclusive) {
        let message = format!(
            "nothing can be said of the backup, so nothing was held against {}",
            previous.report
        );
        put(
            conditions,
            "Regressed",
            "Unknown",
            ConditionReason::Inconclusive.as_str(),
            &message,
            generation,
        );
    } else if status.regressions.is_empty() {
        let message = format!("not worse than {}", previous.report);
        set(
            conditions,
            "Regressed",
            false,
            ConditionReason::AsBefore.as_str(),
            &message,
            generation,
        );
    } else {
        let message = status.regressions.join("; ");
        set(
            conditions,
            "Regressed",
            true,
            ConditionReason::Worse.as_str(),
            &message,
            generation,
        );
    }
}

fn of_sla(
    conditions: &mut Vec<Condition>,
    status: &RestoreReportStatus,
    spec: &RestoreReportSpec,
    generation: Option<i64>,
) {
    let sla = spec.test.as_ref().and_then(|test| test.sla.as_ref());
    let (Some(sla), Some(rto)) = (sla.filter(|sla| sla.alert_on_exceed), &status.rto) else {
        return;
    };
    let (reason, message) = if rto.within_sla {
        (
            ConditionReason::WithinSLA,
            format!("{} of {}", rto.measured, sla.max_rto),
        )
    } else {
        (
            ConditionReason::Exceeded,
            format!("{}, agreed are {}", rto.measured, sla.max_rto),
        )
    };
    set(
        conditions,
        "RTOExceeded",
        !rto.within_sla,
        reason.as_str(),
        &message,
        generation,
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        set(&mut conditions, "Ready", false, "A", "", None);
        conditions[0].last_transition_time = Time(Timestamp::UNIX_EPOCH);
        set(&mut conditions, "Ready", false, "B", "x", None);
        assert_eq!(conditions[0].last_transition_time, Time(Timestamp::UNIX_EPOCH));
        assert_eq!(conditions[0].reason, "B");
        set(&mut conditions, "Ready", true, "C", "", None);
        assert_ne!(conditions[0].last_transition_time, Time(Timestamp::UNIX_EPOCH));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_missed_recovery_time_is_a_condition_only_for_whoever_asked() {
        let missed =
            serde_json::from_value(json!({ "rto": { "measured": "2m", "withinSLA": false } })).unwrap();
        let told = |alert: Option<bool>| {
            let spec = json!({ "testRef": "shop", "test": {
                "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                "schedule": { "cron": "0 3 * * *" }, "sla": { "maxRTO": "1m", "alertOnExceed": alert } } });
            let mut conditions = Vec::new();
            of_sla(
                &mut conditions,
                &missed,
                &serde_json::from_value(spec).unwrap(),
                None,
            );
            conditions.pop().map(|c| (c.type_, c.status))
        };
        assert_eq!(
            told(Some(true)),
            Some(("RTOExceeded".to_owned(), "True".to_owned()))
        );
        assert_eq!(told(Some(false)), None);
    }
}
