//! What is legal but unwise.

use std::time::Duration;

use kymaros_crds::{
    RestoreTestSpec,
    domain::{BackupChoice, Check, Isolation, Source, Test, duration},
};

use super::{Known, PolicyState, TestName, Unchecked, Verdict};

/// Advice on a valid test.
pub(super) fn on_test(
    spec: &RestoreTestSpec,
    test: &Test,
    me: &TestName,
    known: &dyn Known,
    verdict: &mut Verdict,
) {
    for warning in test.schedule.warnings() {
        verdict.warn("spec.schedule.cron", warning);
    }
    backups(spec, test, verdict);
    let namespaces: usize = test.sources.iter().map(|s| s.namespaces.len()).sum();
    if test.sandbox.isolation == Isolation::Group && namespaces == 1 {
        let message = "group means the same as strict for one namespace; name more, or write strict";
        verdict.warn("spec.sandbox.networkIsolation", message);
    }
    checks(test, me, known, verdict);
    if test.sla.is_none() {
        verdict.warn(
            "spec.sla",
            "without maxRTO the recovery time is measured but held against nothing",
        );
    }
    let longest = verdict.ask(Unchecked::Runs, known.longest_run(me));
    // Without a run there is nothing to hold a schedule against, and to look for its shortest gap takes long.
    if let Some(longest) = longest.filter(|longest| !longest.is_zero()) {
        time(test, longest, verdict);
    }
}

/// Advice on a valid policy.
pub(super) fn on_policy(checks: &[Check], verdict: &mut Verdict) {
    if checks.is_empty() {
        verdict.warn(
            "spec.checks",
            "is empty: a test with nothing else gets 80 of 100 points at best and never passes",
        );
    }
}

/// A backup named by its name stays the same for ever.
fn backups(spec: &RestoreTestSpec, test: &Test, verdict: &mut Verdict) {
    let is_named = |source: &Source| matches!(source.backup, BackupChoice::Named(_));
    let all_named = test.sources.iter().all(is_named);
    let named = Source::specs(spec)
        .zip(&test.sources)
        .filter(|(_, source)| is_named(source));
    for ((path, _), source) in named {
        if source.max_age.is_some() {
            let message = "backupName only gets older: in time every run fails; write scheduleName";
            verdict.warn(&format!("{path}.maxAge"), message);
        }
        if !all_named {
            let message = "stays the same while other sources take their newest: they drift apart";
            verdict.warn(&format!("{path}.backupName"), message);
        }
    }
}

fn checks(test: &Test, me: &TestName, known: &dyn Known, verdict: &mut Verdict) {
    let health = &test.health;
    match &health.policy {
        None if health.checks.is_empty() => verdict.warn(
            "spec.healthChecks",
            "has neither checks nor policyRef: 80 of 100 points at best, and never a pass",
        ),
        None => {}
        Some(policy) => {
            let path = "spec.healthChecks.policyRef";
            let state = verdict.ask(Unchecked::Policies, known.policy(&me.namespace, policy));
            match state {
                Some(PolicyState::Absent) => {
                    let message =
                        "there is no such HealthCheckPolicy yet; until there is, runs are inconclusive";
                    verdict.warn(path, message);
                }
                Some(PolicyState::Checks(0)) if health.checks.is_empty() => {
                    verdict.warn(path, "has no checks: 80 of 100 points at best, and never a pass");
                }
                _ => {}
            }
        }
    }
}

/// What the last runs took is what the next one will take.
fn time(test: &Test, longest: Duration, verdict: &mut Verdict) {
    // Nobody plans in fractions of a second.
    let took = duration::format(Duration::from_secs(longest.as_secs()));
    if test.sandbox.ttl < longest {
        let message = format!("the last runs took up to {took}, longer than a sandbox may live; write more");
        verdict.warn("spec.sandbox.ttl", &message);
    }
    if test.timeout < longest {
        let message = format!("the last runs took up to {took}, longer than a run may; write more");
        verdict.warn("spec.timeout", &message);
    }
    if let Some(gap) = test.schedule.shortest_gap().filter(|gap| *gap < longest) {
        let gap = duration::format(gap);
        let message =
            format!("a run every {gap}, but the last ones took up to {took}: some will be left out");
        verdict.warn("spec.schedule.cron", &message);
    }
}
