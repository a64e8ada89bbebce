//! Restoring: one Restore a backup source, one after the other.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{Cause, RestoreStatusSummary, RunPhase};

use super::{Decision, Effect, escapes, preparing, run_error, start_over, starting, timeline};
use crate::{
    reason::RunReason,
    run::{
        observed::{Fetched, Observed, RestoreSeen, Settings, after},
        plan,
        queue::QueuePlace,
    },
    velero::restore::RestorePhase,
    verdict,
    workloads::WorkloadState,
};

/// A Restore gets this long before a pod that cannot start is taken for what holds it.
const STUCK: Duration = Duration::from_secs(20);

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    decision
        .effects
        .push(Effect::Watch(plan::targets(&observed.identity, &settings.test)));
    let is_looking = escapes::look(observed, settings, decision);
    for index in 0..settings.test.sources.len() {
        let Some(backup) = decision.status.sources.get(index).map(|s| s.name.clone()) else {
            let message = "no backup was resolved";
            let finding = run_error(RunReason::BackupNotFound, Cause::Unknown, None, message);
            return decision.end(finding, now);
        };
        let name = observed.identity.restore(index);
        match observed.restores.get(index).and_then(Option::as_ref) {
            None => {
                if vanished(observed).is_some() {
                    return deleted(decision, &name, now);
                }
                if let QueuePlace::Waiting { .. } = observed.place {
                    return step_aside(observed, decision, now);
                }
                if observed.lost_backups.contains(&backup) {
                    return preparing::backup_deleted(decision, &backup, now);
                }
                // A restart forgets what the backup holds, and some of it must not come back.
                if starting::forgot_contents(observed, decision, index) {
                    return;
                }
                decision.effects.push(Effect::CreateRestore(plan::restore(
                    &observed.identity,
                    &settings.test,
                    index,
                    &backup,
                    observed.contents.get(index).and_then(Fetched::get),
                )));
                return;
            }
            Some(seen) => {
                record(decision, &name, seen);
                if !seen.phase.is_terminal() {
                    return look_for_a_stuck_pod(observed, settings, decision, seen, now);
                }
            }
        }
    }
    let ended = observed.restores.iter().flatten();
    if ended.clone().any(RestoreSeen::has_failed) {
        // Neither the end of the run nor another try hides what got out.
        if is_looking {
            return;
        }
        if let Some(backup) = lost_backup(observed) {
            return preparing::backup_deleted(decision, backup, now);
        }
        if let Some(why) = start_over::disturbance(observed, &decision.status) {
            return start_over::begin(decision, why, now);
        }
        return decision.enter(RunPhase::Judging, now);
    }
    if let (Some(from), Some(to)) = (
        ended.clone().filter_map(|r| r.started).min(),
        ended.filter_map(|r| r.completed).max(),
    ) {
        timeline::moment(&mut decision.status, "velero", from, to);
    }
    decision.enter(RunPhase::Starting, now);
    starting::decide(observed, settings, decision, now);
}

/// The backup whose Restore failed because it went meanwhile. Velero may have brought its Backup back from the storage since.
fn lost_backup(observed: &Observed) -> Option<&str> {
    let mut sources = observed.status.sources.iter().zip(&observed.restores);
    let (lost, _) = sources.find(|(source, restore)| {
        let failed = restore.as_ref().filter(|r| r.has_failed());
        failed.is_some_and(|restore| {
            let reason = restore.reason.as_deref().unwrap_or_default();
            observed.lost_backups.contains(&source.name) || verdict::misses_backup(reason)
        })
    })?;
    Some(&lost.name)
}

/// Something goes first, or the fences are away. A run of which nothing was restored goes back to the queue; another
/// one waits where it is, as long as its limits let it.
fn step_aside(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    let has_begun = observed.restores.iter().any(Option::is_some) || !decision.status.restores.is_empty();
    if !has_begun {
        super::queued::call_back(observed, decision, now);
    }
}

/// A Restore that was there and is not any more. Velero itself deletes the Restores of a Backup that is deleted.
pub(super) fn vanished(observed: &Observed) -> Option<String> {
    let seen = observed.restores.iter().enumerate();
    let gone = seen.filter(|(_, seen)| seen.is_none());
    gone.map(|(index, _)| observed.identity.restore(index))
        .find(|name| {
            let known = &observed.status.restores;
            known.iter().any(|r| r.name == *name && r.phase.is_some())
        })
}

/// Without it nothing can be said about the backup.
pub(super) fn deleted(decision: &mut Decision, name: &str, now: Timestamp) {
    let message = format!("restore {name} was deleted by somebody while the run went on");
    let object = Some(format!("Restore/{name}"));
    let finding = run_error(RunReason::RestoreDeleted, Cause::Sandbox, object, message);
    decision.end(finding, now);
}

/// Velero waits until the pods run whose volumes it fills. One that cannot ever start would have it wait until the run
/// times out, and nobody would know why.
fn look_for_a_stuck_pod(
    observed: &Observed,
    settings: &Settings,
    decision: &mut Decision,
    seen: &RestoreSeen,
    now: Timestamp,
) {
    if seen.phase != RestorePhase::InProgress {
        return;
    }
    // Most of what stands in the way of a pod ends the Restore by itself.
    let looks_at = seen.started.map(|started| after(started, STUCK));
    if let Some(at) = looks_at.filter(|at| now < *at) {
        return decision.wake_at(at);
    }
    let all_made = seen.progress.is_some_and(|(done, all)| all > 0 && done >= all);
    let (Some(came), Some(started), true) = (&observed.workloads, seen.started, all_made) else {
        return;
    };
    // A pod that has only just come waits for its volume rightly.
    let made = came.moments.all_created.unwrap_or(started).max(started);
    let patience = after(made, settings.test.health.timeout);
    let waited_for = came.workloads.iter().filter(|w| w.awaits_data);
    let stuck = waited_for.clone().find_map(|w| match &w.state {
        WorkloadState::Crashed(trouble) | WorkloadState::Hopeless(trouble) => Some((w, trouble)),
        WorkloadState::Pending(trouble) if trouble.cause == Cause::Sandbox && now >= patience => {
            Some((w, trouble))
        }
        _ => None,
    });
    if let Some((workload, trouble)) = stuck {
        let (cause, why) = verdict::explain(observed, settings, workload, trouble);
        let message = format!(
            "Velero waits to fill a volume of {} of namespace {}, which does not start: {why}",
            workload.object, workload.source
        );
        let object = Some(workload.object.clone());
        let finding = run_error(RunReason::CannotStart, cause, object, message);
        return decision.end(finding, now);
    }
    if patience > now && waited_for.count() > 0 {
        decision.wake_at(patience);
    }
}

/// Whether the run wrote of every Restore that it is over, which it does as it leaves this phase. What is seen of them may
/// be older.
pub(super) fn all_ended(observed: &Observed, settings: &Settings, decision: &Decision) -> bool {
    let is_over = |name: &str| {
        let mut written = decision.status.restores.iter().filter(|r| r.name == name);
        written.any(|r| RestorePhase::named(r.phase.as_deref().unwrap_or_default()).is_terminal())
    };
    (0..settings.test.sources.len()).all(|index| is_over(&observed.identity.restore(index)))
}

fn record(decision: &mut Decision, name: &str, seen: &RestoreSeen) {
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    let summary = RestoreStatusSummary {
        name: name.to_owned(),
        phase: Some(if seen.phase_text.is_empty() {
            "New".to_owned()
        } else {
            seen.phase_text.clone()
        }),
        started_at: seen.started.map(Time),
        completed_at: seen.completed.map(Time),
        warnings: Some(count(seen.warnings)),
        errors: Some(count(seen.errors)),
        items_restored: seen.progress.map(|(done, _)| count(done)),
        total_items: seen.progress.map(|(_, all)| count(all)),
    };
    match decision.status.restores.iter_mut().find(|r| r.name == name) {
        Some(known) => *known = summary,
        None => decision.status.restores.push(summary),
    }
}
