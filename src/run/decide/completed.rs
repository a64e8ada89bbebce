//! Completed: nothing more happens, unless sandboxes were kept and their time has come.

use jiff::Timestamp;
use kymaros_crds::RunPhase;

use super::{Decision, judging::RETAINED};
use crate::run::observed::{Observed, Settings, after};

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    if !keeps_sandboxes(observed) {
        decision.release = observed.has_finalizer;
        return;
    }
    let started = observed.status.started_at.as_ref().map_or(now, |t| t.0);
    let expires = after(started, settings.test.sandbox.ttl);
    if now < expires {
        decision.wake_at(expires);
    } else {
        decision.enter(RunPhase::CleaningUp, now);
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
