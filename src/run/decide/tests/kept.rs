//! Sandboxes that stay for people to look at.

use super::{strategies::kept_for, *};

fn kept() -> serde_json::Value {
    kept_for(spec(), "UntilTTL")
}

#[test]
fn kept_sandboxes_stay_until_their_ttl_and_then_go() {
    let mut world = World::new(Script::healthy(), &kept());
    until(&mut world, RunPhase::Completed);
    assert!(
        !world.is_clean() && !world.released,
        "the report is held as long as the sandboxes"
    );
    let wake = decide(&world.observe(), world.now).wake.unwrap();
    assert!(wake > world.now);
    world.pass(1800);
    world.reconcile(None);
    assert_eq!(world.phase(), RunPhase::CleaningUp);
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean() && world.released);
}

#[test]
fn sandboxes_of_a_restore_that_goes_on_are_not_kept() {
    let stuck = Script {
        velero_works: false,
        ..Script::healthy()
    };
    let mut world = World::new(stuck, &kept());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    world.restore.as_mut().unwrap().phase = RestorePhase::InProgress;
    world.reconcile(None);
    world.pass(1200);
    until(&mut world, RunPhase::CleaningUp);
    let decision = decide(&world.observe(), world.now);
    let cancels = |e: &Effect| matches!(e, Effect::CancelDataMovement(_));
    assert!(decision.effects.iter().any(cancels), "{:?}", decision.effects);
    world.restore.as_mut().unwrap().phase = RestorePhase::Failed;
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean(), "it holds Velero's only worker");
}

#[test]
fn nobody_keeps_sandboxes_for_longer_by_editing_the_report() {
    let mut world = World::new(Script::healthy(), &kept());
    until(&mut world, RunPhase::Completed);
    world.status.started_at = None;
    world.pass(1800);
    world.reconcile(None);
    assert_eq!(world.phase(), RunPhase::CleaningUp);
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_kept_sandbox_that_does_not_go_with_its_report_is_counted_and_what_holds_it_is_named() {
    let mut world = World::new(Script::healthy(), &kept());
    until(&mut world, RunPhase::Completed);
    let verdict = (world.status.result, world.status.reason.clone());
    world.deleting = true;
    world.sandboxes_stay = true;
    for _ in 0..12 {
        world.advance();
        world.reconcile(None);
        world.pass(10);
    }
    assert_eq!(
        (world.phase(), world.status.leftovers, world.released),
        (RunPhase::CleaningUp, Some(1), false)
    );
    let named = |f: &Finding| f.reason == "CleanupBlocked" && f.severity == Severity::Warning;
    assert!(
        world.status.findings.iter().any(named),
        "{:?}",
        world.status.findings
    );
    let wake = decide(&world.observe(), world.now).wake.unwrap();
    assert_eq!(wake.duration_since(world.now), SignedDuration::from_secs(5));
    world.sandboxes_stay = false;
    for _ in 0..5 {
        world.advance();
        world.reconcile(None);
    }
    assert!(world.is_clean() && world.released);
    assert_eq!((world.status.result, world.status.reason.clone()), verdict);
}
