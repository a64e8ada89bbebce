//! Restoring: one Restore a backup source, one after the other.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{Cause, RestoreStatusSummary, RunPhase};

use super::{Decision, Effect, run_error, start_over, timeline};
use crate::{
    run::{
        observed::{Observed, RestoreSeen, Settings},
        plan,
    },
    velero::restore::RestorePhase,
};

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    decision
        .effects
        .push(Effect::Watch(plan::targets(&observed.identity, &settings.test)));
    for index in 0..settings.test.sources.len() {
        let Some(backup) = decision.status.sources.get(index).map(|s| s.name.clone()) else {
            return decision.end(
                "BackupNotFound",
                run_error(Cause::Unknown, None, "no backup was resolved"),
                now,
            );
        };
        let name = observed.identity.restore(index);
        match observed.restores.get(index).and_then(Option::as_ref) {
            None => {
                let seen_before = decision
                    .status
                    .restores
                    .iter()
                    .any(|r| r.name == name && r.phase.is_some());
                if seen_before {
                    let message = format!("restore {name} was deleted by somebody while it ran");
                    let finding = run_error(Cause::Sandbox, Some(format!("Restore/{name}")), message);
                    return decision.end("RestoreDeleted", finding, now);
                }
                decision.effects.push(Effect::CreateRestore(plan::restore(
                    &observed.identity,
                    &settings.test,
                    index,
                    &backup,
                )));
                return;
            }
            Some(seen) => {
                record(decision, &name, seen);
                if !seen.phase.is_terminal() {
                    return;
                }
            }
        }
    }
    let ended = observed.restores.iter().flatten();
    if ended
        .clone()
        .any(|r| matches!(r.phase, RestorePhase::Failed | RestorePhase::FailedValidation))
    {
        if let Some(why) = start_over::disturbance(observed) {
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
    super::starting::decide(observed, settings, decision, now);
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
