//! Cleaning up: everything goes, and then it is proven that it is gone.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::{Cause, Finding, FindingLevel, RunPhase, Severity};

use super::{Decision, Effect, judging, start_over, timeline};
use crate::{
    reason::{FindingReason, RunReason},
    run::observed::{Observed, after},
    sandbox::{held, leftovers::Leftovers},
};

/// State of a sandbox that is gone.
const REMOVED: &str = "Removed";
/// Volumes and finalizers are looked at again this often; Velero's and the cluster's own controllers remove them,
/// and no watch of ours covers them.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The same, once something holds it up.
const LOOK_RARELY: Duration = Duration::from_secs(5);
/// How much is named that was freed of finalizers.
const MOST_FREED: usize = 10;
/// In the timeline: when the last sandbox was seen to be gone.
const SANDBOXES_GONE: &str = "sandboxes gone";
/// How long a Restore and volumes may stay after the sandboxes. Deleting a Restore needs the storage location: one
/// that is down is reported, and nobody waits for it. The time counts from when everything was asked to go, not from
/// the beginning of the phase, and anew for each process: an operator that was away in between has not waited.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a Restore that Velero works on may go on after the sandboxes: a Velero that is down ends none.
const HOLD: Duration = Duration::from_secs(30);

pub(super) fn decide(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    let begun = timeline::entered(&decision.status, RunPhase::CleaningUp).unwrap_or(now);
    let Some(left) = &observed.leftovers else {
        return decision.wake_at(now);
    };
    if !sweep(observed, left, decision, begun, now) {
        return;
    }
    if start_over::is_pending(decision) {
        if left.count() == 0 {
            return start_over::again(decision, now);
        }
        // What is left has the names that the next try needs.
        judging::without_evidence(decision, Cause::Sandbox, now);
    }
    finish(observed, left, decision, now);
}

/// The report is being deleted: whatever the phase, nothing of the run may stay.
pub(super) fn abandon(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    if decision.phase() != RunPhase::CleaningUp && decision.phase() != RunPhase::Completed {
        decision
            .status
            .reason
            .get_or_insert_with(|| RunReason::Deleted.into());
    }
    // Also a run that is over: how long its sandboxes take to go counts from here.
    decision.enter(RunPhase::CleaningUp, now);
    let begun = timeline::entered(&decision.status, RunPhase::CleaningUp).unwrap_or(now);
    match &observed.leftovers {
        Some(left) if sweep(observed, left, decision, begun, now) => decision.release = true,
        Some(_) => {}
        None => decision.wake_at(now),
    }
}

/// Removes what is left; whether there is nothing more to wait for.
pub(super) fn sweep(
    observed: &Observed,
    left: &Leftovers,
    decision: &mut Decision,
    begun: Timestamp,
    now: Timestamp,
) -> bool {
    for freed in observed.freed.iter().take(MOST_FREED) {
        let message =
            format!("a finalizer of another product was taken off {freed}: it would have kept the sandbox");
        decision.find(Finding {
            severity: Severity::Info,
            ..leftover(FindingReason::FinalizerRemoved, None, message)
        });
    }
    if left.count() == 0 {
        return true;
    }
    for restore in observed.restores.iter().zip(0..).filter_map(|(seen, i)| {
        seen.as_ref()
            .filter(|r| !r.phase.is_terminal())
            .map(|_| observed.identity.restore(i))
    }) {
        decision.effects.push(Effect::CancelDataMovement(restore));
    }
    for (name, _) in left.namespaces.iter().filter(|(_, going)| !going) {
        decision.effects.push(Effect::RemoveSandbox(name.clone()));
    }
    for held in left.held.iter().filter(|h| now >= after(h.since, held::PATIENCE)) {
        decision.effects.push(Effect::ReleaseSandbox(held.name.clone()));
    }
    let mut outside = left.clone();
    if left.namespaces.is_empty() {
        timeline::moment(&mut decision.status, SANDBOXES_GONE, begun, now);
    }
    let gone = timeline::ended(&decision.status, SANDBOXES_GONE).unwrap_or(now);
    if !left.namespaces.is_empty() || now < after(gone, HOLD) {
        // Their data movers are stopped and their sandboxes go, so they end soon.
        outside.restores.retain(|restore| !restore.is_under_way);
    }
    if outside.count_outside() > 0 {
        decision.effects.push(Effect::RemoveOutside(outside));
    }
    let had_time = |since: Timestamp| now >= after(since.max(observed.looks_since), PATIENCE);
    let is_late = had_time(begun);
    let refused = refusals(observed, left);
    if left.namespaces.is_empty() {
        if had_time(gone) {
            return true;
        }
    } else if is_late {
        // The sandbox is not gone, so the run is not over; the report says what it waits for, and counts what is there.
        decision.status.leftovers = Some(counted(left));
        for message in blockers(left) {
            decision.find(leftover(FindingReason::CleanupBlocked, None, message));
        }
        for (name, why) in &refused {
            tell_refusal(decision, name, why);
        }
    }
    let is_held_up = is_late || !observed.refused.is_empty();
    decision.wake_at(after(now, if is_held_up { LOOK_RARELY } else { LOOK_AGAIN }));
    false
}

/// Sandboxes of which somebody refuses that they go, or that they are let go, and in whose words.
fn refusals<'a>(observed: &'a Observed, left: &'a Leftovers) -> Vec<(&'a str, &'a str)> {
    let is_held = |name: &str| left.held.iter().any(|held| held.name == name);
    let stays = left
        .namespaces
        .iter()
        .filter(|(name, going)| !going || is_held(name));
    stays
        .filter_map(|(name, _)| Some((name.as_str(), observed.refused.get(&sandbox(name))?.as_str())))
        .collect()
}

/// A sandbox as findings name it.
fn sandbox(name: &str) -> String {
    format!("Namespace/{name}")
}

/// Says once who refuses that a sandbox goes: their words may be others each time.
fn tell_refusal(decision: &mut Decision, sandbox: &str, why: &str) {
    let object = self::sandbox(sandbox);
    let reason = FindingReason::CleanupBlocked;
    let mut told = decision.status.findings.iter();
    if !told.any(|f| f.reason == reason.as_str() && f.object.as_ref() == Some(&object)) {
        let message = format!("namespace {sandbox} is still there, as its removal is refused: {why}");
        decision.find(leftover(reason, Some(object), message));
    }
}

/// Why sandboxes that are going are still there, also when the cluster does not say.
fn blockers(left: &Leftovers) -> Vec<String> {
    if !left.blocked.is_empty() {
        return left.blocked.clone();
    }
    let going = left.namespaces.iter().filter(|(_, going)| *going);
    going
        .map(|(name, _)| format!("namespace {name} is still there, and does not say what it waits for"))
        .collect()
}

/// As a report says it.
fn counted(left: &Leftovers) -> i32 {
    i32::try_from(left.count()).unwrap_or(i32::MAX)
}

fn finish(observed: &Observed, left: &Leftovers, decision: &mut Decision, now: Timestamp) {
    let remains = |object: String, why: &str| {
        let refused = observed.refused.get(&object);
        let why = refused.map_or_else(
            || why.to_owned(),
            |refusal| format!("its removal is refused: {refusal}"),
        );
        let message = format!("{object} is still there after cleanup: {why}");
        leftover(FindingReason::LeftBehind, Some(object), message)
    };
    for restore in &left.restores {
        let object = format!("Restore/{}", restore.name);
        decision.find(remains(object, "its deletion waits for the storage location"));
    }
    for name in &left.volumes {
        let object = format!("PersistentVolume/{name}");
        decision.find(remains(object, "the storage provisioner has not removed it"));
    }
    for content in &left.snapshots {
        let why = if content.is_retained {
            "the snapshot controller has not let it go"
        } else {
            "the backup would lose its snapshot with it, as its deletionPolicy is not Retain"
        };
        decision.find(remains(format!("VolumeSnapshotContent/{}", content.name), why));
    }
    decision.status.leftovers = Some(counted(left));
    for sandbox in &mut decision.status.sandboxes {
        sandbox.state = Some(REMOVED.to_owned());
    }
    decision.enter(RunPhase::Completed, now);
    decision.release = true;
}

fn leftover(reason: FindingReason, object: Option<String>, message: String) -> Finding {
    Finding {
        level: FindingLevel::Run,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: reason.into(),
        object,
        message,
    }
}
