//! Starting: until every workload is ready or known never to be, or the time for it is up.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::{Cause, Finding, RunPhase};

use super::{Decision, Effect, escapes, run_error, start_over, timeline};
use crate::{
    reason::RunReason,
    run::{
        observed::{Fetched, Observed, Settings, after},
        plan,
    },
};

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    watch_and_fetch(observed, settings, decision);
    let is_looking = escapes::look(observed, settings, decision);
    if let Some(why) = start_over::disturbance(observed, &decision.status) {
        // No second try hides what the first one let out.
        if !is_looking {
            start_over::begin(decision, why, now);
        }
        return;
    }
    let deadline = deadline(observed, settings, now);
    let Some(came) = &observed.workloads else {
        if now >= deadline {
            return decision.end(unseen(), now);
        }
        return decision.wake_at(deadline);
    };
    // Watches and the Restore's own status come by different ways: a workload that Velero restored may not have
    // been seen yet.
    let known = observed.outcomes.iter().all(|o| !o.is_pending());
    let targets = plan::targets(&observed.identity, &settings.test);
    let decided = known && observed.is_decided(&targets) && absent(observed, settings).is_empty();
    if !decided && now < deadline {
        return decision.wake_at(deadline);
    }
    if let (Some(from), Some(to)) = (restored_at(observed), came.last_ready()) {
        // They may be ready before Velero has written down that it is done.
        timeline::moment(&mut decision.status, "workloads ready", from, to.max(from));
    }
    decision.enter(RunPhase::Checking, now);
    super::checking::decide(observed, settings, decision, now);
}

/// Watches over a sandbox are complete within moments. After this long nothing more is expected of them.
pub(super) const BLIND: Duration = Duration::from_mins(1);

/// Without watches nothing is known of what came up.
pub(super) fn unseen() -> Finding {
    let message = "the sandboxes could not be watched, so it is not known what came up in them";
    run_error(RunReason::SandboxNotSeen, Cause::Sandbox, None, message)
}

/// Restored workloads that are not in their sandbox.
pub(super) fn absent(observed: &Observed, settings: &Settings) -> Vec<(String, String)> {
    let sources = 0..settings.test.sources.len();
    sources
        .flat_map(|i| observed.absent_workloads(&plan::mapping(&observed.identity, &settings.test, i)))
        .collect()
}

/// The watches live in this process: after a restart they are asked for again.
pub(super) fn watch_and_fetch(observed: &Observed, settings: &Settings, decision: &mut Decision) {
    decision
        .effects
        .push(Effect::Watch(plan::targets(&observed.identity, &settings.test)));
    for index in 0..settings.test.sources.len() {
        fetch(observed, decision, index);
    }
}

/// Asks for what a Restore did, and for what its backup holds when a restart forgot it; whether one of them is yet to
/// come.
pub(super) fn fetch(observed: &Observed, decision: &mut Decision, index: usize) -> bool {
    let is_pending = observed.outcomes.get(index).is_none_or(Fetched::is_pending);
    if is_pending {
        let backup = observed.status.sources.get(index);
        decision.effects.push(Effect::FetchOutcome {
            source: index,
            restore: observed.identity.restore(index),
            location: backup.and_then(|b| b.location.clone()),
        });
    }
    forgot_contents(observed, decision, index) || is_pending
}

/// Asks for what a backup holds when a restart forgot it. Of a backup that nobody knows nothing is to be had.
pub(super) fn forgot_contents(observed: &Observed, decision: &mut Decision, index: usize) -> bool {
    let is_pending = observed.contents.get(index).is_none_or(Fetched::is_pending);
    let Some(backup) = observed.status.sources.get(index).filter(|_| is_pending) else {
        return false;
    };
    decision.effects.push(Effect::FetchContents {
        source: index,
        backup: backup.clone(),
    });
    true
}

/// Start-up and checks have `healthChecks.timeout` from the end of the last Restore. An operator that was away meanwhile
/// looked at nothing: the time counts from when this process began to look, as far as the limits of the run let it.
pub(super) fn deadline(observed: &Observed, settings: &Settings, now: Timestamp) -> Timestamp {
    let restored = restored_at(observed).unwrap_or(now);
    let looks_since = observed.watched_since.unwrap_or(now);
    after(restored.max(looks_since), settings.test.health.timeout)
}

fn restored_at(observed: &Observed) -> Option<Timestamp> {
    let seen = observed
        .restores
        .iter()
        .flatten()
        .filter_map(|r| r.completed)
        .max();
    seen.or_else(|| {
        observed
            .status
            .restores
            .iter()
            .filter_map(|r| r.completed_at.as_ref())
            .map(|t| t.0)
            .max()
    })
}
