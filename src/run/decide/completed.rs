//! Completed: nothing more happens, unless sandboxes were kept and their time has come, or the run did not end at all.

use jiff::Timestamp;
use kymaros_crds::RunPhase;

use super::{Decision, judging::RETAINED, phase_changed};
use crate::run::observed::{Observed, Origin, Settings, after};

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
        phase_changed::end(decision, now);
    } else if decision.status.leftovers != Some(0) {
        // Whatever was counted may be from the middle of a cleanup.
        decision.enter(RunPhase::CleaningUp, now);
    } else {
        decision.release = true;
    }
}

/// Whether the report says that sandboxes were kept.
pub(super) fn keeps_sandboxes(observed: &Observed) -> bool {
    observed
        .status
        .sandboxes
        .iter()
        .any(|s| s.state.as_deref() == Some(RETAINED))
}
