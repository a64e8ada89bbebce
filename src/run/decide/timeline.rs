//! The timeline: one entry a phase, opened when it is entered and closed by the next one.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kymaros_crds::{RestoreReportStatus, RunPhase, TimelineEntry};

use crate::run::observed::{Fetched, Observed};

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

/// The steps inside of the phases, as the cluster saw them. They overlap: pods are scheduled while Velero restores.
pub(super) fn steps(status: &mut RestoreReportStatus, observed: &Observed) {
    let begun = observed.restores.iter().flatten().filter_map(|r| r.started).min();
    let restored = observed
        .restores
        .iter()
        .flatten()
        .filter_map(|r| r.completed)
        .max();
    let moves = || {
        let outcomes = observed.outcomes.iter().filter_map(Fetched::get);
        outcomes.flat_map(|o| o.movers.iter().flatten()).map(|m| m.times)
    };
    let (data_from, data_to) = (
        moves().filter_map(|t| t.0).min(),
        moves().filter_map(|t| t.1).max(),
    );
    let pods = observed.workloads.as_ref().map(|c| c.moments).unwrap_or_default();
    let first_check = status
        .checks
        .iter()
        .filter_map(|c| c.passed_at.as_ref())
        .map(|t| t.0)
        .min();
    let starting = match pods.pulled {
        Some(_) => vec![
            ("image", pods.scheduled, pods.pulled),
            ("start", pods.pulled, pods.started),
        ],
        // Without the kubelet's events the two are one.
        None => vec![("image and start", pods.scheduled, pods.started)],
    };
    let before = [
        ("metadata", begun, data_from.or(restored)),
        ("volume data", data_from, data_to),
        ("scheduling", pods.created, pods.scheduled),
    ];
    let after = [
        ("first ready", begun, pods.first_ready),
        ("first passing check", begun, first_check),
    ];
    for (name, from, to) in before.into_iter().chain(starting).chain(after) {
        if let (Some(from), Some(to)) = (from, to)
            && to >= from
        {
            moment(status, name, from, to);
        }
    }
}

/// Whether an entry is that of a phase.
pub(super) fn is_of(entry: &TimelineEntry, phase: RunPhase) -> bool {
    entry.name == name(phase)
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
