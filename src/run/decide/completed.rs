//! Completed: nothing more happens, unless sandboxes were kept and their time has come, or the run did not end at all.

use jiff::Timestamp;
use kymaros_crds::{Cause, RunPhase};

use super::{
    Decision,
    judging::{self, RETAINED},
    run_error,
};
use crate::{
    reason::RunReason,
    run::observed::{Observed, Origin, Settings, after},
};

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    if !keeps_sandboxes(observed) {
        return over(observed, decision, now);
    }
    // Nobody keeps them for longer by taking the start out of the report.
    let status = &observed.status;
    let started = status.started_at.as_ref().or(status.completed_at.as_ref());
    let expires = started.map(|t| after(t.0, settings.test.sandbox.ttl));
    match expires {
        Some(expires) if now < expires => decision.wake_at(expires),
        _ => decision.enter(RunPhase::CleaningUp, now),
    }
}

/// Nothing is kept. Somebody who wrote the phase by hand ended no run: it gets its verdict, which says nothing of the
/// backup, and what it made goes.
pub(super) fn over(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    if !observed.has_finalizer {
        return;
    }
    if observed.origin == Origin::Stray && decision.status.result.is_none() {
        // Only a little of what it said is left, and it is not this operator's run.
        decision.release = true;
        return;
    }
    if decision.status.result.is_none() {
        phase_changed(decision, now);
    } else if decision.status.leftovers != Some(0) {
        // Whatever was counted may be from the middle of a cleanup.
        decision.enter(RunPhase::CleaningUp, now);
    } else {
        decision.release = true;
    }
}

/// Ends a run that had not come to the phase that somebody wrote.
pub(super) fn phase_changed(decision: &mut Decision, now: Timestamp) {
    let message = format!(
        "somebody wrote phase {:?} into the report, and the run had not come to it",
        decision.phase()
    );
    decision.status.reason = Some(RunReason::PhaseChanged.into());
    decision.find(run_error(RunReason::PhaseChanged, Cause::Unknown, None, message));
    judging::inconclusive(decision, Cause::Unknown, now);
}

/// Whether the report says that sandboxes were kept.
pub(super) fn keeps_sandboxes(observed: &Observed) -> bool {
    observed
        .status
        .sandboxes
        .iter()
        .any(|s| s.state.as_deref() == Some(RETAINED))
}
