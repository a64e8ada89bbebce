//! Restores and sandboxes that somebody disturbs or deletes, and tries after that.

use super::{strategies::kept_for, *};

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

fn assert_says_nothing_about_its_backup(mut world: World, when: &str) {
    until(&mut world, RunPhase::Completed);
    assert_eq!(
        (
            world.status.result,
            world.status.cause,
            world.status.reason.as_deref()
        ),
        (
            Some(RunResult::Inconclusive),
            Some(Cause::Sandbox),
            Some("BackupDeleted")
        ),
        "{when}: {:?}",
        world.status.findings
    );
    assert!(world.is_clean() && world.released);
}

#[test]
fn a_backup_that_goes_before_it_is_restored_is_not_accused() {
    for phase in [RunPhase::Preparing, RunPhase::Restoring] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, phase);
        if phase == RunPhase::Preparing {
            world.reconcile(None);
        }
        assert!(!world.status.sources.is_empty() && world.restore.is_none());
        world.script.has_backup = false;
        assert_says_nothing_about_its_backup(world, &format!("{phase:?}"));
    }
}

#[test]
fn a_restore_that_fails_because_its_backup_went_accuses_nobody() {
    let missed =
        "Error retrieving backup: can't find backup velero/nightly: backups.velero.io \"nightly\" not found";
    let broken = "error downloading backup: NoSuchKey: the specified key does not exist";
    for (reason, has_backup) in [(missed, true), (broken, false)] {
        let mut world = World::new(Script::healthy(), &spec());
        until(&mut world, RunPhase::Restoring);
        world.reconcile(None);
        world.script.has_backup = has_backup;
        let restore = world.restore.as_mut().unwrap();
        restore.phase = RestorePhase::FailedValidation;
        restore.reason = Some(reason.to_owned());
        assert_says_nothing_about_its_backup(world, reason);
    }
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.reconcile(None);
    let restore = world.restore.as_mut().unwrap();
    restore.phase = RestorePhase::Failed;
    restore.reason = Some(broken.to_owned());
    until(&mut world, RunPhase::Completed);
    assert_eq!(
        (world.status.result, world.status.cause),
        (Some(RunResult::Fail), Some(Cause::Backup)),
        "this one is there, and broken"
    );
}

/// A run that chose its backup and waits in the queue again.
fn called_back() -> World {
    let mut world = World::new(Script::healthy(), &spec());
    until(&mut world, RunPhase::Restoring);
    world.foreign = true;
    world.reconcile(None);
    assert_eq!(world.phase(), RunPhase::Queued);
    world.pass(60 * 60);
    world.foreign = false;
    world
}

#[test]
fn a_run_that_was_called_back_takes_what_is_there_when_it_is_its_turn_again() {
    let mut world = called_back();
    world.backup = "newer";
    until(&mut world, RunPhase::Preparing);
    let asked = decide(&world.observe(), world.now)
        .effects
        .into_iter()
        .find_map(|e| match e {
            Effect::FetchContents { backup, .. } => Some(backup.name),
            _ => None,
        });
    assert_eq!(asked.as_deref(), Some("newer"), "of the old one it was known");
    until(&mut world, RunPhase::Completed);
    assert_eq!(world.status.source.as_ref().unwrap().name, "newer");
    assert_eq!(world.status.result, Some(RunResult::Pass));

    let mut world = called_back();
    world.script.has_backup = false;
    assert_says_nothing_about_its_backup(world, "it went while the run waited");
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
    let mut world = World::new(Script::healthy(), &kept_for(spec(), "UntilTTL"));
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
        comes: Comes::Late,
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
