//! Judging: the verdict, once everything it rests on is here. Nobody waits for cleanup to read it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{
    Cause, Finding, FindingLevel, RestoreReportStatus, RunPhase, RunResult, Severity, domain::Retention,
};

use super::{Decision, Effect, escapes, preparing, size, start_over, starting, timeline};
use crate::{
    reason::FindingReason,
    run::{
        observed::{Fetched, Observed, Settings, after},
        plan,
    },
    verdict::{self, Evidence},
};

/// State of a sandbox that stays for people to look at.
pub(super) const RETAINED: &str = "Retained";

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    // What got out goes at once, whatever else there is to be known of this run.
    if !escapes::has_one(&decision.status) && awaits_evidence(observed, settings, decision, now) {
        return;
    }
    if let Some(why) = start_over::disturbance(observed, &decision.status) {
        return start_over::begin(decision, why, now);
    }
    if let Some(finding) = escapes::unseen(observed).filter(|_| decision.status.reason.is_none()) {
        decision.find(finding);
    }
    if !escapes::has_one(&decision.status) && !collect_logs(observed, settings, decision) {
        return;
    }
    timeline::steps(&mut decision.status, observed);
    let came = observed.workloads.as_ref();
    let came = came.map(|came| came.judged_at(now, settings.test.health.settle));
    let evidence = Evidence {
        came: came.as_ref(),
        ..Evidence::of(observed, &decision.status, settings)
    };
    let verdict = verdict::judge(&evidence);
    verdict.write_to(&mut decision.status);
    for finding in what_counts_first(verdict.findings) {
        decision.find(finding);
    }
    decision.status.message = Some(verdict::sentence(&decision.status));
    size::fit(decision);
    // A Restore that goes on holds Velero's only worker, and what it brings nobody looks at.
    let mut restores = observed.restores.iter().flatten();
    let is_over = restores.all(|r| r.phase.is_terminal());
    finish(decision, is_over.then_some(settings), now);
}

/// A report holds so many findings and no more: what is only good to know pushes nothing else out.
fn what_counts_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.severity == Severity::Info);
    findings
}

/// Whether something that the verdict rests on is yet to come; it is asked for.
fn awaits_evidence(
    observed: &Observed,
    settings: &Settings,
    decision: &mut Decision,
    now: Timestamp,
) -> bool {
    let mut pending = escapes::look(observed, settings, decision);
    if !needs_outcomes(observed) {
        return pending;
    }
    // Both lists of each source: without what its backup holds, half of the verdict would rest on nothing.
    for index in 0..settings.test.sources.len() {
        pending |= starting::fetch(observed, decision, index);
    }
    decision
        .effects
        .push(Effect::Watch(plan::targets(&observed.identity, &settings.test)));
    preparing::look_at_sources(observed, settings, decision);
    pending |= !preparing::sources_wanted(observed, settings).is_empty();
    if pending || observed.workloads.is_some() {
        return pending;
    }
    match observed.watched_since.map(|since| after(since, starting::BLIND)) {
        Some(enough) if now >= enough => {
            decision.find(starting::unseen());
            false
        }
        Some(enough) => {
            decision.wake_at(enough);
            true
        }
        None => true,
    }
}

/// Whether the logs are in the report, or are not wanted, or cannot be had.
fn collect_logs(observed: &Observed, settings: &Settings, decision: &mut Decision) -> bool {
    let wanted = &settings.test.logs;
    if !wanted.enabled || decision.status.sandboxes.is_empty() {
        return true;
    }
    match &observed.logs {
        Fetched::Here(collected) => {
            decision.status.pod_logs.clone_from(&collected.logs);
            decision.status.events.clone_from(&collected.events);
        }
        Fetched::Unavailable(reason) => decision.find(Finding {
            level: FindingLevel::Run,
            severity: Severity::Warning,
            cause: Cause::Sandbox,
            reason: FindingReason::LogsNotRead.into(),
            object: None,
            message: format!("logs and events cannot be read: {reason}"),
        }),
        Fetched::Pending => {
            decision.effects.push(Effect::CollectLogs {
                sandboxes: decision.status.sandboxes.iter().map(|s| s.name.clone()).collect(),
                wanted: wanted.clone(),
            });
            return false;
        }
    }
    true
}

/// Artifacts of a Restore exist once it came to an end that Velero wrote down.
fn needs_outcomes(observed: &Observed) -> bool {
    use crate::velero::restore::RestorePhase::{Completed, PartiallyFailed};
    let ended = |r: &Option<crate::run::observed::RestoreSeen>| {
        r.as_ref()
            .is_some_and(|r| matches!(r.phase, Completed | PartiallyFailed))
    };
    !observed.restores.is_empty() && observed.restores.iter().all(ended)
}

/// Ends a run that nothing can be said about.
pub(super) fn inconclusive(decision: &mut Decision, cause: Cause, now: Timestamp) {
    without_evidence(decision, cause, now);
    finish(decision, None, now);
}

/// The verdict of a run that nothing can be said about.
pub(super) fn without_evidence(decision: &mut Decision, cause: Cause, now: Timestamp) {
    decision.status.score = Some(0);
    decision.status.result = Some(RunResult::Inconclusive);
    decision.status.cause = Some(cause);
    decision.status.message = Some(verdict::sentence(&decision.status));
    decision.status.completed_at = Some(Time(now));
}

/// Ends it. Sandboxes are kept as the settings say, where any may be.
fn finish(decision: &mut Decision, settings: Option<&Settings>, now: Timestamp) {
    decision.status.completed_at = Some(Time(now));
    let expires = settings
        .zip(decision.status.started_at.as_ref())
        .map(|(settings, started)| after(started.0, settings.test.sandbox.ttl));
    let keep = settings.is_some_and(|s| keeps(s.test.sandbox.retention, &decision.status))
        && !escapes::has_one(&decision.status)
        && expires.is_some_and(|at| at > now)
        && !decision.status.sandboxes.is_empty();
    if keep {
        for sandbox in &mut decision.status.sandboxes {
            sandbox.state = Some(RETAINED.to_owned());
        }
        decision.enter(RunPhase::Completed, now);
        if let Some(at) = expires {
            decision.wake_at(at);
        }
    } else {
        decision.enter(RunPhase::CleaningUp, now);
    }
}

fn keeps(retention: Retention, status: &RestoreReportStatus) -> bool {
    match retention {
        Retention::Immediate => false,
        Retention::OnFailure => status.result != Some(RunResult::Pass),
        Retention::UntilTtl => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reason::RunReason,
        run::decide::{MAX_FINDINGS, run_error},
    };

    #[test]
    fn what_is_only_good_to_know_pushes_nothing_out_of_a_report() {
        let lost = run_error(RunReason::SandboxNotSeen, Cause::Backup, None, "lost");
        let known = (0..MAX_FINDINGS).map(|i| Finding {
            severity: Severity::Info,
            message: i.to_string(),
            ..lost.clone()
        });
        let sorted = what_counts_first(known.chain([lost.clone()]).collect());
        assert_eq!(sorted[0], lost);
        assert_eq!(sorted[1].message, "0", "the others stay in their order");
    }

    #[test]
    fn what_did_not_pass_is_kept_to_be_looked_at() {
        let kept = |retention, result| {
            let status = RestoreReportStatus {
                result: Some(result),
                ..RestoreReportStatus::default()
            };
            keeps(retention, &status)
        };
        for result in [RunResult::Partial, RunResult::Fail, RunResult::Inconclusive] {
            assert!(kept(Retention::OnFailure, result), "{result:?}");
            assert!(!kept(Retention::Immediate, result), "{result:?}");
        }
        assert!(!kept(Retention::OnFailure, RunResult::Pass));
        assert!(kept(Retention::UntilTtl, RunResult::Pass));
    }
}
