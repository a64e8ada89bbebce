//! Checking: checks run while workloads settle.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kymaros_crds::{CheckResult, CheckStatus, RunPhase, domain};

use super::{Decision, Effect, escapes, starting, timeline};
use crate::{
    checks::Outcome,
    run::{
        observed::{Came, Observed, Settings, after},
        plan,
    },
};

/// Checks have this much in any case, or as much as start-up and checks together when that is less: what works must not be
/// accused because something beside it takes all the time.
const LAST_TRY: Duration = Duration::from_secs(30);

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    starting::watch_and_fetch(observed, settings, decision);
    escapes::look(observed, settings, decision);
    for outcome in &observed.outcomes_of_checks {
        let (outcome, may_have_passed_before) = counted_from_ready(observed, decision, outcome);
        record(decision, settings, &outcome, may_have_passed_before);
    }
    let missing: Vec<_> = settings
        .checks
        .iter()
        .filter(|c| !is_recorded(decision, &c.name))
        .cloned()
        .collect();
    let began = timeline::entered(&decision.status, RunPhase::Checking).unwrap_or(now);
    let last_try = after(began, LAST_TRY.min(settings.test.health.timeout));
    let deadline = starting::deadline(observed, settings, now);
    let began_late = began >= deadline;
    let deadline = deadline.max(last_try);
    let targets = plan::targets(&observed.identity, &settings.test);
    if !missing.is_empty() && now < deadline {
        decision.effects.push(Effect::StartChecks {
            checks: missing.clone(),
            targets: targets.clone(),
        });
    }
    // Beside one that never comes, the others have to stay up as well.
    let settled_at = observed.workloads.as_ref().and_then(|came| {
        let settles = came.settles_at(settings.test.health.settle).unwrap_or(now);
        observed.is_decided(&targets).then_some(settles)
    });
    // What is not ready had its time.
    let is_settled = settled_at.map_or(began_late, |at| now >= at);
    if now >= deadline || (missing.is_empty() && is_settled) {
        for check in missing {
            let message = "it did not end within healthChecks.timeout".to_owned();
            let duration = Duration::ZERO;
            let outcome = Outcome {
                name: check.name,
                passed_at: None,
                at_once: None,
                duration,
                message,
                could_not_look: false,
                target_missing: false,
            };
            record(decision, settings, &outcome, false);
        }
        decision.enter(RunPhase::Judging, now);
        return super::judging::decide(observed, settings, decision, now);
    }
    decision.wake_at(deadline);
    if let Some(at) = settled_at.filter(|at| *at > now) {
        decision.wake_at(at);
    }
}

/// A check that passes with its first try would have passed earlier, had anybody looked: while no operator was there,
/// between the moment everything was ready and this process, nobody did. That time is ours, and no part of the
/// recovery. Where checks had begun before, nobody knows whether it had passed by then: nothing is taken off, and the
/// second value says that it may have.
fn counted_from_ready(observed: &Observed, decision: &Decision, outcome: &Outcome) -> (Outcome, bool) {
    let mut counted = outcome.clone();
    let began = timeline::entered(&decision.status, RunPhase::Checking);
    let ready = observed.workloads.as_ref().and_then(Came::last_ready);
    let (Some(passed), Some(took), Some(began), Some(ready), Some(since)) = (
        outcome.passed_at,
        outcome.at_once,
        began,
        ready,
        observed.watched_since,
    ) else {
        return (counted, false);
    };
    if since > began {
        counted.message += " (at the first try of an operator that came back; it may have passed before)";
        return (counted, true);
    }
    let nobody_looked = ready < since;
    let earliest = after(ready, took);
    if nobody_looked && earliest < passed {
        counted.passed_at = Some(earliest);
        counted.message += " (at once; counted from when everything was ready, as no operator looked then)";
    }
    (counted, false)
}

fn is_recorded(decision: &Decision, check: &str) -> bool {
    decision.status.checks.iter().any(|c| c.name == check)
}

fn record(decision: &mut Decision, settings: &Settings, outcome: &Outcome, may_have_passed_before: bool) {
    if is_recorded(decision, &outcome.name) {
        return;
    }
    let Some(check) = settings.checks.iter().find(|c| c.name == outcome.name) else {
        return;
    };
    let status = match (outcome.passed_at, outcome.could_not_look) {
        (Some(_), _) => CheckResult::Pass,
        (None, true) => CheckResult::Skip,
        (None, false) => CheckResult::Fail,
    };
    decision.status.checks.push(CheckStatus {
        name: outcome.name.clone(),
        status,
        duration: domain::duration::format(rounded(outcome.duration)),
        message: outcome.message.clone(),
        namespace: check.namespace.as_ref().map(ToString::to_string),
        required: check.required,
        target_missing: outcome.passed_at.is_none() && outcome.target_missing,
        passed_at: outcome.passed_at.map(MicroTime),
        may_have_passed_before,
    });
}

/// To whole milliseconds, as people read them.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
