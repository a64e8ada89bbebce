//! How a run ends and cleans up, whatever happens.

use std::sync::Arc;

use super::*;
use crate::{
    run::observed::{Fetched, RestoreSeen},
    sandbox::snapshots::SnapshotContent,
};

#[test]
fn the_ttl_ends_a_run_wherever_it_is() {
    let mut spec = spec();
    spec["sandbox"]["ttl"] = "5m".into();
    spec["timeout"] = "5m".into();
    let mut world = World::new(
        Script {
            velero_works: false,
            ..Script::healthy()
        },
        &spec,
    );
    until(&mut world, RunPhase::Restoring);
    world.pass(300);
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.reason.as_deref(), Some("SandboxExpired"));
    assert!(world.is_clean());
}

#[test]
fn sandboxes_of_a_restore_that_goes_on_are_not_kept() {
    let mut kept = spec();
    kept["sandbox"]["retention"] = "UntilTTL".into();
    let stuck = Script {
        velero_works: false,
        ..Script::healthy()
    };
    let mut world = World::new(stuck, &kept);
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
fn a_restore_of_several_that_velero_did_not_begin_accuses_nobody() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    world.reconcile(None);
    let seen = |phase| {
        let first = world.restore.clone();
        Some(RestoreSeen {
            phase,
            ..first.unwrap()
        })
    };
    let blamed = |second: Option<RestoreSeen>| {
        let mut observed = world.observe();
        observed.restores = vec![seen(RestorePhase::Completed), second];
        observed.delays = vec![Fetched::Here(Arc::default()); 2];
        let late = world.now + SignedDuration::from_mins(20);
        let status = decide(&observed, late).status;
        assert_eq!(status.reason.as_deref(), Some("TimedOut"));
        let finding = status.findings.into_iter().find(|f| f.reason == "TimedOut");
        finding.unwrap().cause
    };
    assert_eq!(blamed(None), Cause::Sandbox, "it waited for its turn");
    assert_eq!(blamed(seen(RestorePhase::New)), Cause::Sandbox);
    assert_eq!(blamed(seen(RestorePhase::InProgress)), Cause::RestoreEngine);
}

#[test]
fn a_clock_that_is_set_ends_no_run_and_keeps_no_sandbox() {
    for step in [86_400, -86_400] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, RunPhase::Starting);
        world.set_clock(step);
        until(&mut world, RunPhase::Completed);
        assert_eq!(world.status.result, Some(RunResult::Pass), "{step}");

        let stuck = Script {
            velero_works: false,
            ..Script::healthy()
        };
        let mut world = World::new(stuck, &spec());
        until(&mut world, RunPhase::Restoring);
        world.set_clock(step);
        world.reconcile(None);
        world.pass(1100);
        world.reconcile(None);
        assert_eq!(world.phase(), RunPhase::Restoring, "it has 20 minutes: {step}");
        world.pass(100);
        until(&mut world, RunPhase::Completed);
        assert_eq!(world.status.reason.as_deref(), Some("TimedOut"), "{step}");
        assert!(world.is_clean());
    }
}

#[test]
fn a_run_whose_spec_cannot_be_read_ends_and_cleans_up_and_accuses_nobody() {
    for phase in [RunPhase::Queued, RunPhase::Restoring, RunPhase::Checking] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        world.unreadable = true;
        until(&mut world, RunPhase::Completed);
        assert_eq!(
            (world.status.result, world.status.reason.as_deref()),
            (Some(RunResult::Inconclusive), Some("InvalidSpec")),
            "{phase:?}"
        );
        let said = |f: &Finding| f.message.contains("spec.healthChecks");
        assert!(
            world.status.findings.iter().any(said),
            "{:?}",
            world.status.findings
        );
        assert!(world.is_clean() && world.released);
    }
}

#[test]
fn a_run_whose_phase_somebody_wrote_gets_a_verdict_and_leaves_nothing() {
    for phase in [RunPhase::Restoring, RunPhase::Checking] {
        for is_readable in [true, false] {
            let mut world = World::new(Script::healthy(), &spec());
            until(&mut world, phase);
            world.unreadable = !is_readable;
            world.status.phase = Some(RunPhase::Completed);
            world.reconcile(None);
            assert_eq!(world.phase(), RunPhase::CleaningUp);
            until(&mut world, RunPhase::Completed);
            assert_eq!(
                (world.status.result, world.status.reason.as_deref()),
                (Some(RunResult::Inconclusive), Some("PhaseChanged"))
            );
            assert!(world.is_clean() && world.released);
        }
    }
}

#[test]
fn what_no_test_made_is_not_run() {
    let mut world = World::new(Script::healthy(), &spec());
    world.origin = Origin::Stray;
    world.reconcile(None);
    assert_eq!((world.phase(), world.status.result), (RunPhase::Completed, None));
    assert!(
        world
            .status
            .message
            .as_deref()
            .unwrap()
            .contains("no test made this report")
    );
    assert!(world.is_clean() && world.released);
    // One that goes on is not given up because its test went without it.
    let mut orphaned = World::new(Script::healthy(), &spec());
    until(&mut orphaned, RunPhase::Restoring);
    orphaned.origin = Origin::Stray;
    until(&mut orphaned, RunPhase::Completed);
    assert_eq!(orphaned.status.result, Some(RunResult::Pass));
}

#[test]
fn nobody_is_accused_when_no_operator_looked() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Starting);
    world.crash();
    world.pass(1200);
    until(&mut world, RunPhase::Completed);
    assert_eq!(
        (
            world.status.result,
            world.status.reason.as_deref(),
            world.status.cause
        ),
        (Some(RunResult::Fail), Some("TimedOut"), Some(Cause::Unknown)),
        "{:?}",
        world.status.findings
    );
}

#[test]
fn nothing_is_judged_before_what_the_backup_holds_is_read_again() {
    let late = Script {
        contents_are_late: 3,
        ..Script::healthy()
    };
    let mut world = World::new(late, &spec());
    until(&mut world, RunPhase::Checking);
    world.crash();
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.score, Some(100));
    let level = world.status.validation_levels.unwrap().completeness;
    assert_eq!(level.not_tested, Vec::<String>::new(), "the lists could be read");
    let said = world.status.findings.iter().map(|found| found.reason.as_str());
    assert_eq!(said.collect::<Vec<_>>(), ["KindsNotListed"]);
}

#[test]
fn a_run_without_its_start_still_has_an_end() {
    let stuck = Script {
        velero_works: false,
        ..Script::healthy()
    };
    let mut world = World::new(stuck, &spec());
    until(&mut world, RunPhase::Restoring);
    world.status.started_at = None;
    world.reconcile(None);
    world.pass(1200);
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.reason.as_deref(), Some("TimedOut"));
}

#[test]
fn kept_sandboxes_stay_until_their_ttl_and_then_go() {
    let mut spec = spec();
    spec["sandbox"]["retention"] = "UntilTTL".into();
    let mut world = World::new(Script::healthy(), &spec);
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
fn a_deleted_report_takes_its_sandboxes_with_it() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.advance();
    world.deleting = true;
    for _ in 0..5 {
        world.reconcile(None);
        world.advance();
    }
    assert!(world.is_clean() && world.released);
}

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
