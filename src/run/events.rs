//! Kubernetes Events that tell the story of a run, from one status to the next: a pure function.

use kube::runtime::events::{Event, EventType};
use kymaros_crds::{Cause, Finding, RestoreReportStatus, RunPhase, RunResult, Severity};

use crate::reason::EventReason;

/// Longest message of a finding in a note, bytes: what follows it is not cut off.
const MAX_MESSAGE: usize = 900;

/// Events for what changed between two statuses.
#[must_use]
pub fn between(old: &RestoreReportStatus, new: &RestoreReportStatus) -> Vec<Event> {
    let mut events = Vec::new();
    for finding in new
        .findings
        .iter()
        .filter(|f| !old.findings.contains(f) && f.severity != Severity::Info)
    {
        events.push(event(
            EventType::Warning,
            EventReason::Finding.as_str(),
            "Judge",
            note(finding),
        ));
    }
    if let (None, Some(result)) = (old.result, new.result) {
        let kind = match result {
            RunResult::Pass => EventType::Normal,
            RunResult::Partial | RunResult::Fail | RunResult::Inconclusive => EventType::Warning,
        };
        events.push(event(
            kind,
            EventReason::Judged.as_str(),
            "Judge",
            new.message.clone().unwrap_or_default(),
        ));
    }
    if let Some(phase) = new.phase.filter(|p| old.phase != Some(*p)) {
        events.push(event(
            EventType::Normal,
            &format!("{phase:?}"),
            "Run",
            phase_note(phase, new),
        ));
    }
    events
}

/// What a finding says, and the words by which the manual is sorted.
fn note(finding: &Finding) -> String {
    let message = finding.message.as_str();
    let message = message
        .get(..message.floor_char_boundary(MAX_MESSAGE))
        .unwrap_or(message);
    match finding.cause {
        Cause::Unknown => format!("{message} ({})", finding.reason),
        cause => format!("{message} ({}, cause {cause:?})", finding.reason),
    }
}

fn phase_note(phase: RunPhase, status: &RestoreReportStatus) -> String {
    let backup = status.source.as_ref().map_or("", |s| s.name.as_str());
    let sandboxes = || {
        status
            .sandboxes
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match phase {
        RunPhase::Queued => "waits for its turn at Velero".to_owned(),
        RunPhase::Preparing => "chooses a backup and makes the sandboxes".to_owned(),
        RunPhase::Restoring => format!("restores backup {backup} into {}", sandboxes()),
        RunPhase::Starting => "the restore is done, workloads start".to_owned(),
        RunPhase::Checking => "workloads are up or known not to come, checks run".to_owned(),
        RunPhase::Judging => "judges what was seen".to_owned(),
        RunPhase::CleaningUp => format!("removes {}", sandboxes()),
        RunPhase::Completed => match status.leftovers {
            Some(0) => "nothing of the run is left in the cluster".to_owned(),
            Some(n) => format!("{n} objects of the run are still there"),
            None => "the sandboxes are kept until their TTL".to_owned(),
        },
    }
}

/// An Event as the API takes it: a note is at most 1024 bytes.
fn event(type_: EventType, reason: &str, action: &str, note: String) -> Event {
    let note = if note.len() > 1000 {
        note.chars().take(240).collect()
    } else {
        note
    };
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_phases_and_the_verdict_once() {
        let old = RestoreReportStatus {
            phase: Some(RunPhase::Judging),
            ..Default::default()
        };
        let new = RestoreReportStatus {
            phase: Some(RunPhase::CleaningUp),
            result: Some(RunResult::Pass),
            message: Some("100/100, pass".into()),
            ..old.clone()
        };
        let reasons: Vec<_> = between(&old, &new).into_iter().map(|e| e.reason).collect();
        assert_eq!(reasons, ["Judged", "CleaningUp"]);
        assert!(between(&new, &new).is_empty());
    }

    fn told_of(severity: &str, message: &str, cause: &str) -> Option<String> {
        let finding = serde_json::json!({ "level": "run", "severity": severity, "cause": cause,
                                          "reason": "VolumeWithoutData", "message": message });
        let new = RestoreReportStatus {
            findings: vec![serde_json::from_value(finding).unwrap()],
            ..Default::default()
        };
        between(&RestoreReportStatus::default(), &new).pop()?.note
    }

    fn told(message: &str, cause: &str) -> String {
        told_of("error", message, cause).unwrap()
    }

    #[test]
    fn what_costs_nothing_is_no_event() {
        assert!(told_of("warning", "no data", "backup").is_some());
        assert_eq!(told_of("info", "no data", "backup"), None);
    }

    #[test]
    fn a_finding_is_told_with_the_words_that_the_manual_is_sorted_by() {
        assert_eq!(
            told("no data", "backup"),
            "no data (VolumeWithoutData, cause Backup)"
        );
        assert_eq!(told("no data", "unknown"), "no data (VolumeWithoutData)");
        let long = told(&"…".repeat(500), "restoreEngine");
        assert!(
            long.ends_with("… (VolumeWithoutData, cause RestoreEngine)"),
            "{long}"
        );
        assert!(long.len() <= 1000, "{}", long.len());
    }
}
