//! How a run ends, whatever happens.

use std::sync::Arc;

use super::*;
use crate::run::observed::{Fetched, RestoreSeen};

#[test]
fn the_ttl_ends_a_run_wherever_it_is() {
    let mut spec = spec();
    spec["sandbox"]["ttl"] = "5m".into();
    spec["timeout"] = "5m".into();
    let healthy = Script::healthy;
    let stuck = Script {
        velero_works: false,
        ..healthy()
    };
    let late = Script {
        comes: Comes::Late,
        ..healthy()
    };
    let slow = Script {
        check_takes: 600,
        ..healthy()
    };
    // Before anything was tried of what the backup brings, it is the sandbox that did not get on.
    for (phase, script, result) in [
        (RunPhase::Preparing, healthy(), RunResult::Inconclusive),
        (RunPhase::Restoring, stuck, RunResult::Inconclusive),
        (RunPhase::Starting, late, RunResult::Fail),
        (RunPhase::Checking, slow, RunResult::Fail),
    ] {
        let mut world = World::new(script, &spec);
        until(&mut world, phase);
        world.reconcile(None);
        assert_eq!(world.phase(), phase);
        world.pass(300);
        until(&mut world, RunPhase::Completed);
        let status = &world.status;
        assert_eq!(
            (status.reason.as_deref(), status.result),
            (Some("SandboxExpired"), Some(result)),
            "{phase:?}: {:?}",
            status.findings
        );
        assert!(world.is_clean(), "{phase:?}");
    }
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
    let over_after = |minutes: i64| {
        let completed = Some(world.now + SignedDuration::from_mins(minutes));
        seen(RestorePhase::Completed).map(|restore| RestoreSeen { completed, ..restore })
    };
    let blamed = |second: Option<RestoreSeen>| {
        let mut observed = world.observe();
        observed.restores = vec![over_after(1), second];
        observed.delays = vec![Fetched::Here(Arc::default()); 2];
        let late = world.now + SignedDuration::from_mins(25);
        let status = decide(&observed, late).status;
        assert_eq!(status.reason.as_deref(), Some("TimedOut"));
        let finding = status.findings.into_iter().find(|f| f.reason == "TimedOut");
        finding.unwrap().cause
    };
    assert_eq!(blamed(None), Cause::Sandbox, "it waited for its turn");
    assert_eq!(blamed(seen(RestorePhase::New)), Cause::Sandbox);
    assert_eq!(blamed(seen(RestorePhase::InProgress)), Cause::RestoreEngine);
    assert_eq!(
        blamed(over_after(24)),
        Cause::RestoreEngine,
        "it was over too late"
    );
    let (over, refused) = (over_after(1), seen(RestorePhase::FailedValidation));
    assert_eq!(blamed(over), Cause::Unknown, "nobody looked at what it brought");
    assert_eq!(blamed(refused), Cause::Unknown, "it has no end");
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
fn a_phase_to_which_a_run_has_not_come_accuses_nobody() {
    for from in [RunPhase::Queued, RunPhase::Preparing, RunPhase::Restoring] {
        for written in [RunPhase::Starting, RunPhase::Checking, RunPhase::Judging] {
            let mut world = World::new(Script::healthy(), &spec());
            until(&mut world, from);
            world.status.phase = Some(written);
            world.reconcile(None);
            let ended = (world.status.result, world.status.reason.as_deref());
            assert_eq!(
                ended,
                (Some(RunResult::Inconclusive), Some("PhaseChanged")),
                "{from:?}, {written:?}"
            );
            until(&mut world, RunPhase::Completed);
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
    for (phase, comes) in [
        (RunPhase::Starting, Comes::Up),
        (RunPhase::Starting, Comes::Late),
        (RunPhase::Restoring, Comes::Up),
        (RunPhase::Restoring, Comes::Late),
    ] {
        let script = Script {
            comes,
            ..Script::healthy()
        };
        let mut world = World::new(script, &spec());
        until(&mut world, phase);
        while phase == RunPhase::Restoring && world.restore.as_ref().is_none_or(|r| r.completed.is_none()) {
            world.reconcile(None);
            world.advance();
        }
        world.crash();
        world.pass(1200);
        until(&mut world, RunPhase::Completed);
        let status = &world.status;
        assert_eq!(
            (status.result, status.reason.as_deref(), status.cause),
            (Some(RunResult::Fail), Some("TimedOut"), Some(Cause::Unknown)),
            "{phase:?}, {comes:?}: {:?}",
            status.findings
        );
    }
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
