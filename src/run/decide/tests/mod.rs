//! One story a test: what a run does and how it ends.

mod absent;
mod away;
mod checking;
mod cleanup;
mod disturbed;
mod ends;
mod escapes;
mod held_up;
mod kept;
mod properties;
mod strategies;
mod timeline;
mod world;

use std::time::Duration;

use jiff::SignedDuration;
use kymaros_crds::{Cause, Finding, RunPhase, RunResult, Severity};

use self::world::{Comes, Held, Script, World, spec};
use super::{Effect, decide};
use crate::{
    run::observed::Origin,
    velero::restore::RestorePhase,
    workloads::{Trouble, WorkloadState},
};

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
fn only_a_backup_that_could_be_read_is_one_whose_volumes_are_known() {
    for has_artifacts in [true, false] {
        let world = story(Script {
            has_artifacts,
            ..Script::healthy()
        });
        let planned: Vec<_> = world.status.sources.iter().map(|s| s.planned).collect();
        assert_eq!(planned, [has_artifacts.then_some(true)]);
        assert_eq!(world.status.source.as_ref(), world.status.sources.first());
    }
}

#[test]
fn a_check_that_passes_after_an_absence_says_that_it_may_have_passed_before() {
    for is_away in [false, true] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, RunPhase::Checking);
        if is_away {
            world.crash();
            world.pass(60);
        }
        until(&mut world, RunPhase::Completed);
        let check = &world.status.checks[0];
        assert_eq!(check.may_have_passed_before, is_away);
        let said = check.message.contains("it may have passed before");
        assert_eq!(said, is_away, "{}", check.message);
        let levels = world.status.validation_levels.unwrap();
        let detail = levels.rto_compliance.detail.unwrap();
        assert_eq!(detail.contains("no operator looked"), is_away, "{detail}");
    }
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
fn a_storage_that_goes_away_in_the_middle_is_never_a_failed_backup() {
    let result = |has_artifacts: bool, dies: bool| {
        let script = Script {
            restore_ends: RestorePhase::InProgress,
            has_artifacts,
            ..Script::healthy()
        };
        let mut world = World::new(script, &spec());
        until(&mut world, RunPhase::Restoring);
        world.advance();
        world.reconcile(None);
        world.storage_is_down = true;
        if dies {
            world.crash();
        }
        world.pass(1200);
        until(&mut world, RunPhase::CleaningUp);
        (world.status.result, world.status.cause)
    };
    for dies in [false, true] {
        assert_eq!(
            result(true, dies),
            (Some(RunResult::Inconclusive), Some(Cause::Sandbox)),
            "{dies}"
        );
    }
    assert_eq!(
        result(false, false),
        (Some(RunResult::Fail), Some(Cause::RestoreEngine)),
        "what could never be read tells nothing"
    );
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
        came.workloads[0].most_restarts = restarts;
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
        comes: Comes::Never,
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
fn a_pod_that_has_only_just_come_waits_for_its_volume_rightly() {
    let mut spec = spec();
    spec["healthChecks"]["timeout"] = "30s".into();
    let mut world = World::new(Script::healthy(), &spec);
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    world.advance();
    let begun = world.now;
    world.pass(60);
    let ended = |created| {
        let mut observed = world.observe();
        let mut came = world.came_up();
        came.workloads[0].state = WorkloadState::Pending(Trouble::new(Cause::Sandbox, "it is on no node"));
        came.workloads[0].awaits_data = true;
        came.moments.all_created = Some(created);
        observed.workloads = Some(came);
        decide(&observed, world.now).status.reason
    };
    assert_eq!(ended(begun).as_deref(), Some("CannotStart"));
    assert_eq!(ended(world.now), None);
}

#[test]
fn only_a_pod_that_velero_waits_for_ends_a_restore_early() {
    let crashes = Script {
        comes: Comes::Never,
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
