//! One story a test: what a run does and how it ends.

mod properties;
mod world;

use std::time::Duration;

use jiff::SignedDuration;
use kymaros_crds::{Cause, Finding, RunPhase, RunResult, Severity};

use self::world::{Script, World, spec};
use super::{Effect, decide};
use crate::velero::restore::RestorePhase;

/// Lets the world and the operator take turns until the run rests in a phase.
fn until(world: &mut World, phase: RunPhase) {
    until_with(world, phase, 1);
}

/// The same with that many seconds a turn.
fn until_with(world: &mut World, phase: RunPhase, seconds: u64) {
    for _ in 0..60 {
        if world.phase() == phase {
            return;
        }
        world.advance();
        world.reconcile(None);
        world.pass(seconds);
    }
    panic!("never reached {phase:?}: {:?}", world.status);
}

fn story(script: Script) -> World {
    let mut world = World::new(script, &spec());
    until(&mut world, RunPhase::Completed);
    world
}

#[test]
fn a_healthy_run_gets_full_marks() {
    let world = story(Script::healthy());
    assert_eq!(
        (world.status.score, world.status.result),
        (Some(100), Some(RunResult::Pass))
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn the_verdict_is_there_before_cleanup() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    assert!(world.status.score.is_some() && world.status.completed_at.is_some());
    assert!(!world.is_clean());
}

#[test]
fn no_backup_fails_with_the_backup_to_blame() {
    let world = story(Script {
        has_backup: false,
        ..Script::healthy()
    });
    assert_eq!(
        (world.status.score, world.status.result),
        (Some(0), Some(RunResult::Fail))
    );
    assert_eq!(world.status.reason.as_deref(), Some("BackupNotFound"));
    assert_eq!(world.status.cause, Some(Cause::Backup));
    assert!(
        world
            .status
            .message
            .as_deref()
            .unwrap()
            .contains("no completed backup found for namespace shop")
    );
}

#[test]
fn a_failed_restore_still_has_a_score_and_a_reason() {
    let world = story(Script {
        restore_ends: RestorePhase::Failed,
        ..Script::healthy()
    });
    assert_eq!(world.status.result, Some(RunResult::Fail));
    assert!(world.status.score.unwrap() < 70);
    assert!(
        world
            .status
            .findings
            .iter()
            .any(|f| f.message.contains("said so"))
    );
}

#[test]
fn a_velero_that_does_not_work_is_never_a_failed_backup() {
    let mut world = World::new(
        Script {
            velero_works: false,
            ..Script::healthy()
        },
        &spec(),
    );
    until(&mut world, RunPhase::Restoring);
    world.pass(1200);
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.result, Some(RunResult::Inconclusive));
    assert_eq!(world.status.reason.as_deref(), Some("TimedOut"));
    assert!(world.is_clean());
}

#[test]
fn a_velero_that_goes_down_in_the_middle_is_never_a_failed_backup() {
    let script = Script {
        restore_ends: RestorePhase::InProgress,
        ..Script::healthy()
    };
    let result = |down: bool| {
        let mut world = World::new(script.clone(), &spec());
        until(&mut world, RunPhase::Restoring);
        world.advance();
        world.reconcile(None);
        world.velero_is_down = down;
        world.pass(1200);
        until(&mut world, RunPhase::Completed);
        (world.status.result, world.status.cause)
    };
    assert_eq!(
        result(true),
        (Some(RunResult::Inconclusive), Some(Cause::Sandbox))
    );
    assert_eq!(result(false), (Some(RunResult::Fail), Some(Cause::RestoreEngine)));
}

#[test]
fn a_restore_that_goes_beyond_its_plan_ends_the_run_and_nothing_of_it_is_kept() {
    let mut retained = spec();
    retained["sandbox"]["retention"] = "UntilTTL".into();
    let mut world = World::new(Script::healthy(), &retained);
    world.escapes = true;
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.reason.as_deref(), Some("Escape"));
    assert_eq!(world.status.result, Some(RunResult::Fail));
    let said = world
        .status
        .findings
        .iter()
        .any(|f| f.message.contains("NetworkPolicy/open"));
    assert!(said, "{:?}", world.status.findings);
    assert!(world.is_clean());
}

#[test]
fn after_a_restart_nothing_is_restored_before_it_is_known_what_must_not_come_back() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    assert!(world.restore.is_none());
    world.crash();
    let asks = |world: &World| decide(&world.observe(), world.now).effects;
    let restores = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::CreateRestore(_)));
    let effects = asks(&world);
    assert!(!restores(&effects), "{effects:?}");
    assert!(
        effects.iter().any(|e| matches!(e, Effect::FetchContents { .. })),
        "{effects:?}"
    );
    world.reconcile(None);
    world.advance();
    assert!(restores(&asks(&world)));
}

#[test]
fn time_in_which_no_operator_looked_is_no_part_of_the_recovery() {
    let rto = |dies_in: Option<RunPhase>| {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, dies_in.unwrap_or(RunPhase::Starting));
        while !world.restore.as_ref().is_some_and(|r| r.phase.is_terminal()) {
            world.advance();
        }
        if dies_in.is_some() {
            world.crash();
            world.pass(60);
        }
        until(&mut world, RunPhase::Completed);
        let rto = world.status.rto.unwrap().measured;
        kymaros_crds::domain::duration::parse(&rto).unwrap()
    };
    let undisturbed = rto(None);
    assert!(undisturbed < Duration::from_secs(30), "{undisturbed:?}");
    assert!(rto(Some(RunPhase::Starting)) <= undisturbed + Duration::from_secs(2));
    let checks_had_begun = rto(Some(RunPhase::Checking));
    assert!(
        checks_had_begun >= Duration::from_mins(1),
        "they may have failed until then: {checks_had_begun:?}"
    );
}

#[test]
fn an_operator_that_was_away_blames_nobody_for_what_it_did_not_look_at() {
    for phase in [RunPhase::Starting, RunPhase::Checking] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        while !world.restore.as_ref().is_some_and(|r| r.phase.is_terminal()) {
            world.advance();
        }
        world.crash();
        // Longer than healthChecks.timeout.
        world.pass(6 * 60);
        until(&mut world, RunPhase::Completed);
        assert_eq!(
            (world.status.score, world.status.result),
            (Some(100), Some(RunResult::Pass)),
            "{phase:?}: {:?}",
            world.status.findings
        );
    }
}

#[test]
fn what_is_between_two_crashes_when_the_time_is_up_is_not_ready() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Checking);
    let now = world.now;
    let judged = |restarts: i32, left: i64, settle: u64| {
        let mut came = world.came_up();
        came.workloads[0].restarts = restarts;
        came.workloads[0].outlives = Some(now + SignedDuration::from_secs(left));
        came.judged_at(now, Duration::from_secs(settle)).all_ready()
    };
    assert!(!judged(4, 20, 10));
    assert!(judged(4, -20, 10), "it stayed");
    assert!(judged(1, 20, 10), "one that waited for another crashes once");
    assert!(judged(4, 20, 0), "nothing is waited for");
}

#[test]
fn an_application_that_does_not_come_up_loses_its_points() {
    let world = story(Script {
        comes_up: false,
        check_passes: false,
        ..Script::healthy()
    });
    let levels = world.status.validation_levels.unwrap();
    assert_eq!(levels.pod_startup.points, Some(0));
    assert_eq!(levels.internal_health.points, Some(0));
    assert_eq!(levels.restore_integrity.points, Some(25));
    assert_eq!(world.status.result, Some(RunResult::Fail));
}

#[test]
fn a_disturbed_restore_is_made_again_and_the_verdict_is_that_of_the_last() {
    let world = story(Script {
        disturbed: 2,
        ..Script::healthy()
    });
    assert_eq!(
        (world.status.score, world.status.result, world.status.attempt),
        (Some(100), Some(RunResult::Pass), Some(3))
    );
    let tries: Vec<_> = world
        .status
        .timeline
        .iter()
        .filter(|e| e.name.starts_with("try "))
        .collect();
    assert_eq!(tries.len(), 2);
    assert!(tries.iter().all(|t| t.seconds > Some(0.0)), "{tries:?}");
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_restore_that_somebody_deletes_says_nothing_about_its_backup() {
    for phase in [RunPhase::Restoring, RunPhase::Starting, RunPhase::Checking] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        for _ in 0..3 {
            if world.status.restores.iter().any(|r| r.phase.is_some()) {
                break;
            }
            world.reconcile(None);
        }
        world.restore = None;
        until(&mut world, RunPhase::Completed);
        assert_eq!(
            (world.status.result, world.status.reason.as_deref()),
            (Some(RunResult::Inconclusive), Some("RestoreDeleted")),
            "{phase:?}"
        );
        assert!(world.is_clean());
    }
}

#[test]
fn a_sandbox_that_somebody_deletes_ends_the_run_and_says_nothing_about_its_backup() {
    for phase in [RunPhase::Restoring, RunPhase::Starting, RunPhase::Checking] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        world.delete_sandboxes();
        world.reconcile(None);
        assert!(
            !world.freed_in_time.is_empty(),
            "what holds it is taken off while we still may: {phase:?}"
        );
        until(&mut world, RunPhase::Completed);
        assert_eq!(
            (world.status.result, world.status.reason.as_deref()),
            (Some(RunResult::Inconclusive), Some("SandboxDeleted")),
            "{phase:?}"
        );
        assert!(world.is_clean() && world.released);
    }
}

#[test]
fn a_kept_sandbox_that_somebody_deletes_is_done_with() {
    let mut spec = spec();
    spec["sandbox"]["retention"] = "UntilTTL".into();
    let mut world = World::new(Script::healthy(), &spec);
    until(&mut world, RunPhase::Completed);
    world.delete_sandboxes();
    world.reconcile(None);
    assert_eq!(world.phase(), RunPhase::CleaningUp);
    assert!(!world.freed_in_time.is_empty());
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.result, Some(RunResult::Pass), "the verdict stays");
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_restore_that_is_always_disturbed_is_inconclusive() {
    let world = story(Script {
        disturbed: 9,
        ..Script::healthy()
    });
    assert_eq!(
        (world.status.result, world.status.cause, world.restores_before),
        (Some(RunResult::Inconclusive), Some(Cause::Sandbox), 3)
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_sandbox_that_cannot_be_watched_says_nothing_of_the_backup() {
    let blind = Script {
        watches_work: false,
        ..Script::healthy()
    };
    let mut world = World::new(blind, &spec());
    until_with(&mut world, RunPhase::Completed, 10);
    assert_eq!(
        (world.status.result, world.status.reason.as_deref()),
        (Some(RunResult::Inconclusive), Some("SandboxNotSeen"))
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn only_a_pod_that_velero_waits_for_ends_a_restore_early() {
    let crashes = Script {
        comes_up: false,
        ..Script::healthy()
    };
    let mut world = World::new(crashes, &spec());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    world.advance();
    assert_eq!(world.restore.as_ref().unwrap().phase, RestorePhase::InProgress);
    world.pass(30);
    let ended = |awaits_data: bool, phase: RestorePhase| {
        let mut observed = world.observe();
        let mut came = world.came_up();
        came.workloads[0].awaits_data = awaits_data;
        observed.workloads = Some(came);
        observed.restores[0].as_mut().unwrap().phase = phase;
        decide(&observed, world.now).status.reason
    };
    assert_eq!(
        ended(true, RestorePhase::InProgress).as_deref(),
        Some("CannotStart")
    );
    assert_eq!(
        ended(false, RestorePhase::InProgress),
        None,
        "it does not hold Velero up"
    );
    assert_eq!(
        ended(true, RestorePhase::Finishing),
        None,
        "nor does what data movers fill"
    );
}

#[test]
fn a_restore_that_goes_before_the_verdict_says_nothing() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Checking);
    world.crash();
    // Everything that judging needs is asked for again, and meanwhile the Restore goes.
    until(&mut world, RunPhase::Judging);
    world.restore = None;
    until(&mut world, RunPhase::Completed);
    assert_eq!(
        (world.status.result, world.status.reason.as_deref()),
        (Some(RunResult::Inconclusive), Some("RestoreDeleted"))
    );
}

#[test]
fn all_tries_share_one_timeout_and_what_is_left_of_it_blames_no_application() {
    let mut spec = spec();
    spec["healthChecks"]["timeout"] = "15m".into();
    let script = Script {
        disturbed: 1,
        comes_up: false,
        ..Script::healthy()
    };
    let mut world = World::new(script, &spec);
    until(&mut world, RunPhase::Restoring);
    world.pass(14 * 60);
    until(&mut world, RunPhase::Queued);
    until(&mut world, RunPhase::Starting);
    world.pass(5 * 60);
    world.reconcile(None);
    assert_eq!(world.status.result, None, "of 20 minutes 14 went, and 5");
    world.pass(2 * 60);
    world.reconcile(None);
    until(&mut world, RunPhase::Completed);
    assert_eq!(
        (
            world.status.reason.as_deref(),
            world.status.result,
            world.status.cause
        ),
        (
            Some("TimedOut"),
            Some(RunResult::Inconclusive),
            Some(Cause::Sandbox)
        )
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_disturbed_try_that_cannot_be_removed_does_not_outlast_the_run() {
    let mut world = World::new(
        Script {
            disturbed: 1,
            ..Script::healthy()
        },
        &spec(),
    );
    until(&mut world, RunPhase::CleaningUp);
    assert_eq!(world.status.result, None);
    world.sandboxes_stay = true;
    world.pass(1800);
    world.reconcile(None);
    assert_eq!(
        (world.status.result, world.status.reason.as_deref(), world.phase()),
        (
            Some(RunResult::Inconclusive),
            Some("SandboxExpired"),
            RunPhase::CleaningUp
        )
    );
    world.sandboxes_stay = false;
    until(&mut world, RunPhase::Completed);
    assert!(world.is_clean());
}

#[test]
fn without_room_for_another_try_nothing_is_said() {
    let mut world = World::new(
        Script {
            disturbed: 1,
            ..Script::healthy()
        },
        &spec(),
    );
    until(&mut world, RunPhase::CleaningUp);
    world.storage_is_down = true;
    until_with(&mut world, RunPhase::Completed, 10);
    assert_eq!(world.status.result, Some(RunResult::Inconclusive));
    assert_eq!(world.status.leftovers, Some(1));
}

#[test]
fn without_artifacts_the_counts_judge_and_a_finding_says_so() {
    let world = story(Script {
        has_artifacts: false,
        ..Script::healthy()
    });
    assert_eq!(
        (world.status.result, world.status.cause),
        (Some(RunResult::Partial), Some(Cause::Sandbox)),
        "what is not known is not proven"
    );
    let told = |f: &Finding| f.message.contains("own counts are used");
    assert!(world.status.findings.iter().any(told));
}

#[test]
fn a_foreign_restore_calls_a_run_back_that_has_not_reached_velero() {
    for phase in [RunPhase::Preparing, RunPhase::Restoring] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        assert!(world.restore.is_none());
        world.foreign = true;
        world.reconcile(None);
        assert_eq!(world.phase(), RunPhase::Queued, "{phase:?}");
        assert!(world.status.queue.as_ref().unwrap().reason.contains("foreign"));
        // A real recovery may take longer than a test and its sandboxes may live: waiting is not counted.
        world.pass(60 * 60);
        world.reconcile(None);
        world.foreign = false;
        until(&mut world, RunPhase::Completed);
        assert_eq!(
            world.status.result,
            Some(RunResult::Pass),
            "{phase:?}: {:?}",
            world.status.findings
        );
    }
}

#[test]
fn a_run_of_which_something_is_restored_stays_where_it_is_while_another_goes_first() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    assert!(world.restore.is_some());
    world.foreign = true;
    world.advance();
    world.reconcile(None);
    assert_ne!(world.phase(), RunPhase::Queued);
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.result, Some(RunResult::Pass));
}

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
fn what_held_a_sandbox_is_named_and_lowers_nothing() {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::CleaningUp);
    world.freed = vec!["ConfigMap/guarded (example.com/cloud)".to_owned()];
    until(&mut world, RunPhase::Completed);
    let named = |f: &&Finding| f.message.contains("ConfigMap/guarded (example.com/cloud)");
    assert_eq!(world.status.findings.iter().filter(named).count(), 1);
    assert_eq!(world.status.result, Some(RunResult::Pass));
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

#[test]
fn nothing_is_restored_before_the_fences_stand() {
    let mut world = World::new(Script::healthy(), &spec());
    for _ in 0..20 {
        let decision = decide(&world.observe(), world.now);
        let restores = decision
            .effects
            .iter()
            .any(|e| matches!(e, Effect::CreateRestore(_)));
        let makes = decision
            .effects
            .iter()
            .any(|e| matches!(e, Effect::MakeSandbox(_)));
        assert!(!(restores && makes), "never in one step");
        assert!(!restores || !world.sandboxes.is_empty());
        world.reconcile(None);
        world.advance();
    }
}
