//! An operator that was away while a run cleaned up has neither asked for anything meanwhile nor waited for it.

use super::*;

/// The operator dies in the middle of a cleanup, and comes back long after everything should have been gone.
fn comes_back(mut world: World) -> World {
    world.crash();
    world.pass(600);
    world
}

#[test]
fn a_sandbox_that_has_just_been_asked_to_go_is_held_up_by_nothing() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    let mut world = comes_back(world);
    // It takes a while to go, as every namespace does.
    for _ in 0..3 {
        world.reconcile(None);
        world.pass(5);
    }
    assert!(!world.is_clean() && world.status.leftovers.is_none());
    until(&mut world, RunPhase::Completed);
    let blocked = |f: &Finding| f.reason == "CleanupBlocked";
    assert!(
        !world.status.findings.iter().any(blocked),
        "{:?}",
        world.status.findings
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_sandbox_that_another_product_holds_is_let_go_though_the_clock_was_set_back_since_it_was_asked_to_go() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.script.hindrance.held = Some(Held::Still);
    world.set_clock(86_400);
    world.reconcile(None);
    world.crash();
    world.set_clock(-86_400);
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean() && world.released);
}

#[test]
fn what_is_asked_to_go_once_more_is_not_left_behind_at_the_same_time() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.storage_is_down = true;
    for _ in 0..3 {
        world.reconcile(None);
        world.advance();
        world.pass(1);
    }
    assert!(world.sandboxes.is_empty() && world.restore.is_some());
    let mut world = comes_back(world);
    world.storage_is_down = false;
    until(&mut world, RunPhase::Completed);
    let left = |f: &Finding| f.reason == "LeftBehind";
    assert!(
        !world.status.findings.iter().any(left),
        "{:?}",
        world.status.findings
    );
    assert_eq!(world.status.leftovers, Some(0));
    assert!(world.is_clean() && world.released);
}
