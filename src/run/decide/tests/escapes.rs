//! What gets out of its plan or of its sandbox.

use std::sync::Arc;

use super::{strategies::kept_for, *};
use crate::run::observed::{Fetched, Observed};

/// How a run ended over an escape that names `what`.
fn assert_stopped(world: &World, what: &str, when: &str) {
    assert_eq!(
        (world.status.reason.as_deref(), world.status.result),
        (Some("Escape"), Some(RunResult::Fail)),
        "{when}: {:?}",
        world.status.findings
    );
    assert_eq!(world.status.attempt, None, "no second try hides it: {when}");
    let said = |f: &Finding| f.reason == "Escape" && f.message.contains(what);
    assert!(
        world.status.findings.iter().any(said),
        "{when}: {:?}",
        world.status.findings
    );
    assert!(world.is_clean() && world.released, "{when}");
}

fn kept() -> serde_json::Value {
    kept_for(spec(), "UntilTTL")
}

#[test]
fn a_restore_that_goes_beyond_its_plan_ends_the_run_and_nothing_of_it_is_kept() {
    for disturbed in [0, 1] {
        let script = Script {
            disturbed,
            ..Script::healthy()
        };
        let mut world = World::new(script, &kept());
        world.escapes = true;
        until(&mut world, RunPhase::Completed);
        assert_stopped(
            &world,
            "NetworkPolicy/open",
            &format!("disturbed {disturbed} times"),
        );
    }
}

#[test]
fn what_is_not_harmless_ends_the_run_however_its_restore_ended_and_whatever_can_be_read_of_it() {
    use RestorePhase::{Completed, Failed, FailedValidation, PartiallyFailed};
    for restore_ends in [Completed, PartiallyFailed, Failed, FailedValidation] {
        for (has_artifacts, disturbed) in [(true, 0), (false, 0), (true, 1)] {
            let script = Script {
                restore_ends,
                has_artifacts,
                disturbed,
                ..Script::healthy()
            };
            let when = format!("{script:?}");
            let mut world = World::new(script, &kept());
            world.is_wild = true;
            until(&mut world, RunPhase::Completed);
            assert_stopped(&world, "CronJob/mailer", &when);
        }
    }
}

#[test]
fn what_is_not_harmless_goes_at_once_whatever_else_is_not_known() {
    let mut world = World::new(Script::healthy(), &spec());
    world.is_wild = true;
    until(&mut world, RunPhase::Starting);
    while !world.restore.as_ref().is_some_and(|r| r.phase.is_terminal()) {
        world.advance();
    }
    let mut observed = world.observe();
    observed.untamed = vec![Fetched::Here(Arc::new(world.untamed()))];
    observed.outcomes = vec![Fetched::Pending];
    observed.contents = vec![Fetched::Pending];
    let status = decide(&observed, world.now).status;
    assert_eq!(
        (status.phase, status.reason.as_deref(), status.result),
        (Some(RunPhase::CleaningUp), Some("Escape"), Some(RunResult::Fail))
    );
}

#[test]
fn an_operator_that_dies_finds_what_is_not_harmless_all_the_same() {
    for turns in 0..20 {
        let mut world = World::new(Script::healthy(), &kept());
        world.is_wild = true;
        for _ in 0..turns {
            world.advance();
            world.reconcile(None);
            world.pass(1);
        }
        world.reconcile(Some(1));
        until(&mut world, RunPhase::Completed);
        assert_stopped(&world, "CronJob/mailer", &format!("after {turns} turns"));
    }
}

/// A run that has everything to be judged by, but what got out of its sandboxes.
fn unlooked(world: &mut World) -> Observed {
    until(world, RunPhase::Checking);
    world.advance();
    let mut observed = world.observe();
    observed.untamed = vec![Fetched::Pending];
    observed
}

fn looks(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::LookInto { .. }))
}

#[test]
fn no_verdict_is_given_before_the_sandboxes_were_looked_into() {
    let mut world = World::new(Script::healthy(), &spec());
    let mut observed = unlooked(&mut world);
    // It ends for another reason by then.
    let late = world.now + SignedDuration::from_mins(20);
    let decision = decide(&observed, late);
    assert!(looks(&decision.effects), "{:?}", decision.effects);
    assert_eq!(
        (decision.status.phase, decision.status.result),
        (Some(RunPhase::Judging), None)
    );
    assert_eq!(decision.status.reason.as_deref(), Some("TimedOut"));
    observed.status = decision.status;
    world.is_wild = true;
    observed.untamed = vec![Fetched::Here(Arc::new(world.untamed()))];
    let status = decide(&observed, late).status;
    assert_eq!(
        (status.reason.as_deref(), status.result),
        (Some("Escape"), Some(RunResult::Fail))
    );
}

#[test]
fn a_run_whose_sandboxes_cannot_be_looked_into_does_not_pass() {
    let mut world = World::new(Script::healthy(), &spec());
    let mut observed = unlooked(&mut world);
    let pending = decide(&observed, world.now);
    assert!(looks(&pending.effects), "{:?}", pending.effects);
    assert_eq!(pending.status.result, None);
    observed.untamed = vec![Fetched::Unavailable("it does not answer".into())];
    let status = decide(&observed, world.now).status;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Partial)),
        "{:?}",
        status.findings
    );
    let told = |f: &Finding| f.reason == "SandboxNotListed" && f.message.contains("it does not answer");
    assert!(status.findings.iter().any(told), "{:?}", status.findings);
}

#[test]
fn before_a_restore_has_ended_nothing_is_looked_into() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    for _ in 0..5 {
        let effects = decide(&world.observe(), world.now).effects;
        let has_ended = world.restore.as_ref().is_some_and(|r| r.phase.is_terminal());
        assert_eq!(looks(&effects), has_ended, "{effects:?}");
        world.advance();
    }
    assert!(world.restore.unwrap().phase.is_terminal());
}
