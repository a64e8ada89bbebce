//! Escapes: what a Restore brought outside of its plan, and what in a sandbox is not harmless. One ends the run wherever it
//! stands. Cleanup, which follows at once, begins with the workloads; nothing is kept for people to look at.

use kymaros_crds::{Cause, Finding, FindingLevel, RestoreReportStatus, RunPhase, Severity};

use super::{Decision, Effect, run_error};
use crate::{
    reason::{FindingReason, RunReason},
    run::{
        observed::{Fetched, Observed, Settings},
        plan,
    },
    sandbox::untamed::Untamed,
};

/// What got out, unless the run has ended for that already.
pub(super) fn find(observed: &Observed, settings: &Settings, decision: &Decision) -> Option<Finding> {
    use RunPhase::{Checking, Judging, Restoring, Starting};
    let looks = matches!(decision.phase(), Restoring | Starting | Checking | Judging);
    if !looks || has_one(&decision.status) {
        return None;
    }
    let mut all = Vec::new();
    for source in 0..settings.test.sources.len() {
        let untamed = observed.untamed.get(source).and_then(Fetched::get);
        all.extend(untamed.into_iter().flatten().map(Untamed::display));
        if let Some(outcome) = observed.outcomes.get(source).and_then(Fetched::get) {
            let mapping = plan::mapping(&observed.identity, &settings.test, source);
            all.extend(crate::plan::escapes(&outcome.restored, &mapping));
        }
    }
    let message = format!(
        "not everything stayed within its plan and its sandbox: {}",
        all.join("; ")
    );
    (!all.is_empty()).then(|| run_error(RunReason::Escape, Cause::RestoreEngine, None, message))
}

/// Whether the run has ended because something got out.
pub(super) fn has_one(status: &RestoreReportStatus) -> bool {
    status.reason.as_deref() == Some(RunReason::Escape.as_str())
}

/// Has the sandboxes of each Restore that has ended looked into, however it ended; whether one of these looks is yet to come.
pub(super) fn look(observed: &Observed, settings: &Settings, decision: &mut Decision) -> bool {
    let mut is_pending = false;
    for (source, restore) in observed.restores.iter().enumerate() {
        let has_ended = restore.as_ref().is_some_and(|r| r.phase.is_terminal());
        if has_ended && observed.untamed.get(source).is_none_or(Fetched::is_pending) {
            let mapping = plan::mapping(&observed.identity, &settings.test, source);
            decision.effects.push(Effect::LookInto {
                source,
                sandboxes: mapping.into_values().collect(),
            });
            is_pending = true;
        }
    }
    is_pending
}

/// That sandboxes could not be looked into, which says nothing of the backup: no run passes for which that is not known.
pub(super) fn unseen(observed: &Observed) -> Option<Finding> {
    let why = observed.untamed.iter().find_map(Fetched::why_not)?;
    Some(Finding {
        level: FindingLevel::Run,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: FindingReason::SandboxNotListed.into(),
        object: None,
        message: format!("it is not known whether everything in the sandboxes is harmless: {why}"),
    })
}
