//! Kubernetes Events that tell the story of a run, from one status to the next: a pure function.

use kube::runtime::events::{Event, EventType};
use kymaros_crds::{RestoreReportStatus, RunPhase, RunResult, Severity};

use crate::reason::EventReason;

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
            finding.message.clone(),
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
}
