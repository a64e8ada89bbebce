//! The timeline: one entry a phase, opened when it is entered and closed by the next one.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kymaros_crds::{RestoreReportStatus, RunPhase, TimelineEntry};

/// Name of a phase in the timeline.
fn name(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Queued => "queue",
        RunPhase::Preparing => "preparation",
        RunPhase::Restoring => "restore",
        RunPhase::Starting => "start-up",
        RunPhase::Checking => "checks",
        RunPhase::Judging => "verdict",
        RunPhase::CleaningUp => "cleanup",
        RunPhase::Completed => "completed",
    }
}

/// Closes what is open and opens the entry of a phase.
pub(super) fn enter(status: &mut RestoreReportStatus, phase: RunPhase, now: Timestamp) {
    for entry in &mut status.timeline {
        if entry.finished_at.is_none() {
            close(entry, now);
        }
    }
    if phase == RunPhase::Completed {
        return;
    }
    status.timeline.push(TimelineEntry {
        name: name(phase).to_owned(),
        started_at: Some(MicroTime(now)),
        finished_at: None,
        seconds: None,
        detail: None,
    });
}

/// A moment seen in the cluster, kept once.
pub(super) fn moment(status: &mut RestoreReportStatus, name: &str, from: Timestamp, to: Timestamp) {
    if status.timeline.iter().any(|e| e.name == name) {
        return;
    }
    let mut entry = TimelineEntry {
        name: name.to_owned(),
        started_at: Some(MicroTime(from)),
        finished_at: None,
        seconds: None,
        detail: None,
    };
    close(&mut entry, to);
    status.timeline.push(entry);
}

/// When a phase was entered.
pub(super) fn entered(status: &RestoreReportStatus, phase: RunPhase) -> Option<Timestamp> {
    let entry = status.timeline.iter().rev().find(|e| e.name == name(phase))?;
    entry.started_at.as_ref().map(|t| t.0)
}

/// When something named ended.
pub(super) fn ended(status: &RestoreReportStatus, name: &str) -> Option<Timestamp> {
    let entry = status.timeline.iter().rev().find(|e| e.name == name)?;
    entry.finished_at.as_ref().map(|t| t.0)
}

/// Fills in how long each entry took.
pub(super) fn measure(status: &mut RestoreReportStatus) {
    for entry in &mut status.timeline {
        if let Some(finished) = entry.finished_at.clone() {
            close(entry, finished.0);
        }
    }
}

fn close(entry: &mut TimelineEntry, now: Timestamp) {
    let started = entry.started_at.as_ref().map_or(now, |t| t.0);
    entry.finished_at = Some(MicroTime(now));
    entry.seconds = Some((now.duration_since(started).as_secs_f64() * 1000.0).round() / 1000.0);
}
