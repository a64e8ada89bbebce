//! A phase that somebody wrote into a report by hand.

use jiff::Timestamp;
use kymaros_crds::Cause;

use super::{Decision, judging, run_error};
use crate::reason::RunReason;

/// Ends a run that had not come to the phase that somebody wrote.
pub(super) fn end(decision: &mut Decision, now: Timestamp) {
    let message = format!(
        "somebody wrote phase {:?} into the report, and the run had not come to it",
        decision.phase()
    );
    decision.status.reason = Some(RunReason::PhaseChanged.into());
    decision.find(run_error(RunReason::PhaseChanged, Cause::Unknown, None, message));
    judging::inconclusive(decision, Cause::Unknown, now);
}
