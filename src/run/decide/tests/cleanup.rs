//! How cleanup goes, and what is said when something stays.

use super::*;
use crate::sandbox::snapshots::SnapshotContent;

#[test]
fn a_restore_that_cannot_go_is_reported_and_not_waited_for() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.storage_is_down = true;
    until_with(&mut world, RunPhase::Completed, 10);
    assert_eq!(world.status.leftovers, Some(1));
    let told = |f: &Finding| f.message.contains("storage location") && f.severity == Severity::Warning;
    assert!(world.status.findings.iter().any(told));
    assert_eq!(world.status.result, Some(RunResult::Pass));
}

#[test]
fn a_sandbox_that_does_not_go_is_counted_as_long_as_it_stays() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.sandboxes_stay = true;
    for _ in 0..3 {
        world.reconcile(None);
        world.advance();
        world.pass(10);
    }
    world.reconcile(None);
    assert_eq!(world.status.leftovers, None, "it has a minute to go");
    world.pass(60);
    world.reconcile(None);
    assert_eq!(
        (world.phase(), world.status.leftovers),
        (RunPhase::CleaningUp, Some(1))
    );
    let named = |f: &Finding| f.reason == "CleanupBlocked" && f.severity == Severity::Warning;
    assert!(
        world.status.findings.iter().any(named),
        "{:?}",
        world.status.findings
    );
    let mut written = world.clone();
    written.status.phase = Some(RunPhase::Completed);
    written.reconcile(None);
    assert!(!written.released, "it is not gone because somebody says so");
    world.sandboxes_stay = false;
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.leftovers, Some(0));
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_sandbox_whose_removal_is_refused_is_counted_and_who_refuses_it_is_named() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.refuses = Some((
        "Namespace",
        "admission webhook \"keep.example.com\" denied the request: no",
    ));
    for _ in 0..3 {
        world.reconcile(None);
        world.pass(10);
    }
    assert_eq!(world.status.leftovers, None, "it has a minute to go");
    world.pass(60);
    world.reconcile(None);
    world.refuses = Some((
        "Namespace",
        "admission webhook \"keep.example.com\" denied the request: request 2",
    ));
    for _ in 0..3 {
        world.reconcile(None);
        world.pass(10);
    }
    assert_eq!(
        (world.phase(), world.status.leftovers),
        (RunPhase::CleaningUp, Some(1))
    );
    let findings = world.status.findings.iter();
    let told: Vec<_> = findings.filter(|f| f.reason == "CleanupBlocked").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]
            .message
            .contains("\"keep.example.com\" denied the request: no")
    );
    world.refuses = None;
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.leftovers, Some(0));
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_restore_whose_removal_is_refused_holds_nothing_up_and_who_refuses_it_is_named() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.refuses = Some((
        "Restore",
        "admission webhook \"keep.example.com\" denied the request",
    ));
    for _ in 0..30 {
        world.reconcile(None);
        world.advance();
        world.pass(5);
    }
    assert_eq!(
        (world.phase(), world.status.leftovers),
        (RunPhase::Completed, Some(1))
    );
    assert!(world.sandboxes.is_empty());
    let mut findings = world.status.findings.iter();
    let left = findings.find(|f| f.reason == "LeftBehind").unwrap();
    assert!(
        left.message
            .contains("is refused: admission webhook \"keep.example.com\""),
        "{}",
        left.message
    );
}

#[test]
fn what_held_a_sandbox_is_named_and_lowers_nothing() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.script.hindrance.guarded = true;
    until(&mut world, RunPhase::Completed);
    let named: Vec<_> = world.taken_off.iter().map(|freed| world.named(freed)).collect();
    assert_eq!(named, [1], "{:?}", world.status.findings);
    let said = |f: &Finding| f.message.contains("ConfigMap/page (example.com/cloud)");
    assert!(world.status.findings.iter().any(said));
    assert_eq!(world.status.result, Some(RunResult::Pass));
}

#[test]
fn a_product_that_holds_a_sandbox_has_time_to_let_it_go_and_is_named_when_it_does_not() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.script.hindrance.held = Some(Held::Still);
    for _ in 0..10 {
        world.reconcile(None);
        world.advance();
        world.pass(1);
    }
    assert!(world.taken_off.is_empty(), "it may tidy up first");
    until(&mut world, RunPhase::Completed);
    let findings = world.status.findings.iter();
    let named: Vec<_> = findings.filter(|f| f.reason == "FinalizerRemoved").collect();
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].message.contains("(example.com/cloud)") && named[0].message.contains("Namespace/"));
    assert_eq!(world.status.result, Some(RunResult::Pass));
    assert_eq!(world.status.leftovers, Some(0));
    assert!(world.is_clean() && world.released);
}

#[test]
fn who_refuses_that_a_held_sandbox_is_let_go_is_named() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.script.hindrance.held = Some(Held::Still);
    world.refuses = Some((
        "finalizers",
        "admission webhook \"keep.example.com\" denied the request",
    ));
    for _ in 0..20 {
        world.reconcile(None);
        world.advance();
        world.pass(5);
    }
    assert_eq!(
        (world.phase(), world.status.leftovers),
        (RunPhase::CleaningUp, Some(1))
    );
    let told = |f: &Finding| f.reason == "CleanupBlocked" && f.message.contains("keep.example.com");
    assert!(
        world.status.findings.iter().any(told),
        "{:?}",
        world.status.findings
    );
    world.refuses = None;
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_snapshot_that_the_backup_needs_stays_and_is_named() {
    for is_retained in [true, false] {
        let mut world = World::new(Script::healthy(), &spec());
        world.snapshots = vec![SnapshotContent {
            name: "one".into(),
            uid: "u".into(),
            restore: "kymaros-0a1b2c3d-0".into(),
            is_retained,
        }];
        until_with(&mut world, RunPhase::Completed, 30);
        assert_eq!(world.snapshots.is_empty(), is_retained);
        assert_eq!(world.status.leftovers, Some(i32::from(!is_retained)));
        let named = |f: &Finding| f.message.contains("would lose its snapshot");
        assert_eq!(world.status.findings.iter().any(named), !is_retained);
    }
}

#[test]
fn an_operator_that_was_away_during_cleanup_has_not_waited_yet() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.reconcile(Some(1));
    world.pass(600);
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.leftovers, Some(0));
}
