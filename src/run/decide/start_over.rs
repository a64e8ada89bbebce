//! Starting over: a restore that something outside of it disturbed says nothing, so it is made again from the
//! beginning, in new sandboxes.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kymaros_crds::{Cause, Finding, FindingLevel, RestoreReportStatus, RunPhase, Severity, TimelineEntry};

use super::{Decision, timeline};
use crate::{
    reason::FindingReason,
    run::observed::{Fetched, Observed, RestoreOutcome},
    velero::restore::RestorePhase,
};

/// Tries in all. After the last one the verdict is made of what is there, and is inconclusive.
pub(super) const MAX_ATTEMPTS: i32 = 3;

/// How the entries of tries begin in the timeline.
const TRY: &str = "try ";

/// What disturbed the restores of this try, when another one may help. `status` is the one being written: a run that
/// was just ended is not begun again.
pub(super) fn disturbance(observed: &Observed, status: &RestoreReportStatus) -> Option<&'static str> {
    let ended_early = status.reason.is_some();
    if ended_early || attempt(status.attempt) >= MAX_ATTEMPTS {
        return None;
    }
    let restarted = observed.restores.iter().flatten().any(|r| {
        let reason = r.reason.as_deref().unwrap_or_default();
        r.phase == RestorePhase::Failed && reason.contains("during the server starting")
    });
    if restarted {
        return Some("Velero was restarted while it restored");
    }
    let outcomes = observed.outcomes.iter().filter_map(Fetched::get);
    outcomes
        .filter(|o| webhooks_were_away(o))
        .map(|_| "the operator's webhooks did not answer while Velero restored")
        .next()
}

/// The API server names the webhook that it could not call.
fn webhooks_were_away(outcome: &RestoreOutcome) -> bool {
    outcome
        .results
        .errors
        .all()
        .any(|m| m.contains("failed calling webhook") && m.contains(".kymaros.io\""))
}

/// Which try a stored status is of.
#[must_use]
pub fn attempt(stored: Option<i32>) -> i32 {
    stored.unwrap_or(1)
}

/// Removes what this try made; [`again`] follows once it is gone.
pub(super) fn begin(decision: &mut Decision, why: &str, now: Timestamp) {
    let this = attempt(decision.status.attempt);
    decision.find(Finding {
        level: FindingLevel::Run,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: FindingReason::RestoreDisturbed.into(),
        object: None,
        message: format!("try {this} of the restore was disturbed and is made again: {why}"),
    });
    decision.enter(RunPhase::CleaningUp, now);
}

/// How long the tries before this one took: each has its sandboxes, but there is one timeout for all.
pub(super) fn spent(status: &RestoreReportStatus) -> Duration {
    let tries = status.timeline.iter().filter(|e| e.name.starts_with(TRY));
    let seconds: f64 = tries.filter_map(|e| e.seconds).sum();
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Whether cleanup only makes room for the next try: nothing else cleans up before there is a result.
pub(super) fn is_pending(decision: &Decision) -> bool {
    decision.status.result.is_none()
}

/// Back to the queue, with nothing of the disturbed try but its time. Its sandboxes are gone, so the next ones have a
/// TTL of their own.
pub(super) fn again(decision: &mut Decision, now: Timestamp) {
    let status = &mut decision.status;
    let this = attempt(status.attempt);
    let disturbed = format!("{TRY}{this}");
    status.attempt = Some(this + 1);
    status.started_at = None;
    status.plan.clear();
    status.leftovers = None;
    let (mut tries, phases): (Vec<_>, Vec<_>) = std::mem::take(&mut status.timeline)
        .into_iter()
        .partition(|e| e.name.starts_with(TRY));
    let left_queue = phases.iter().find(|e| !timeline::is_of(e, RunPhase::Queued));
    tries.push(TimelineEntry {
        name: disturbed,
        started_at: left_queue.and_then(|e| e.started_at.clone()),
        finished_at: Some(MicroTime(now)),
        ..TimelineEntry::default()
    });
    status.timeline = tries;
    status.sandboxes.clear();
    status.restores.clear();
    status.checks.clear();
    timeline::measure(status);
    decision.enter(RunPhase::Queued, now);
}
