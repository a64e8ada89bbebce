//! Property tests: whatever the order of events and wherever the operator dies, a run ends, its sandbox is gone and
//! its verdict is the same.

use std::collections::BTreeSet;

use kymaros_crds::{RestoreReportStatus, RunPhase, RunResult};
use proptest::prelude::*;

use super::{
    strategies::{LONGEST, config, kept_for, retention, script, settling, step},
    world::{Comes, World, spec},
};
use crate::{
    reason::{FindingReason, RunReason},
    velero::restore::RestorePhase,
};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Reconcile,
    CrashAfter(usize),
    Restart,
    WorldAdvances,
    TimePasses(u64),
    ForeignRestore(bool),
    SandboxesDeleted,
    ClockSet(i64),
    Edited(Edit),
    Deleted,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Reconcile),
        3 => (0_usize..4).prop_map(Happening::CrashAfter),
        1 => Just(Happening::Restart),
        6 => Just(Happening::WorldAdvances),
        2 => (0_u64..400).prop_map(Happening::TimePasses),
        1 => any::<bool>().prop_map(Happening::ForeignRestore),
        1 => Just(Happening::SandboxesDeleted),
        1 => step().prop_map(Happening::ClockSet),
        1 => edit().prop_map(Happening::Edited),
        1 => Just(Happening::Deleted),
    ]
}

/// What somebody does to the report by hand.
#[derive(Clone, Copy, Debug)]
enum Edit {
    ForgetStart,
    ForgetTimeline,
    ForgetSources,
    ForgetSandboxes,
    ForgetRestores,
    ForgetEverything,
    Phase(RunPhase),
}

fn edit() -> impl Strategy<Value = Edit> {
    use RunPhase::{Checking, CleaningUp, Completed, Judging, Preparing, Queued, Restoring, Starting};
    let phases = prop::sample::select(vec![
        Queued, Preparing, Restoring, Starting, Checking, Judging, CleaningUp, Completed,
    ]);
    prop_oneof![
        Just(Edit::ForgetStart),
        Just(Edit::ForgetTimeline),
        Just(Edit::ForgetSources),
        Just(Edit::ForgetSandboxes),
        Just(Edit::ForgetRestores),
        Just(Edit::ForgetEverything),
        phases.prop_map(Edit::Phase),
    ]
}

fn edited(status: &mut RestoreReportStatus, edit: Edit) {
    match edit {
        Edit::ForgetStart => status.started_at = None,
        Edit::ForgetTimeline => status.timeline.clear(),
        Edit::ForgetSources => status.sources.clear(),
        Edit::ForgetSandboxes => status.sandboxes.clear(),
        Edit::ForgetRestores => status.restores.clear(),
        Edit::ForgetEverything => *status = RestoreReportStatus::default(),
        Edit::Phase(phase) => status.phase = Some(phase),
    }
}

fn happen(world: &mut World, happening: Happening) {
    match happening {
        Happening::Reconcile => world.reconcile(None),
        Happening::CrashAfter(effects) => world.reconcile(Some(effects)),
        Happening::Restart => world.crash(),
        Happening::WorldAdvances => world.advance(),
        Happening::TimePasses(seconds) => world.pass(seconds),
        Happening::ForeignRestore(there) => world.foreign = there,
        Happening::SandboxesDeleted => world.delete_sandboxes(),
        // A run that is over is looked at no more.
        Happening::Edited(_) if world.released => {}
        Happening::Edited(edit) => {
            world.was_edited = true;
            edited(&mut world.status, edit);
        }
        Happening::ClockSet(seconds) => world.set_clock(seconds),
        Happening::Deleted => world.deleting = true,
    }
}

/// From here on everything works and time goes on.
pub(super) fn finish(world: &mut World) {
    world.foreign = false;
    for _ in 0..400 {
        world.advance();
        world.reconcile(None);
        world.pass(10);
        if world.released {
            return;
        }
    }
}

/// Whether a finding does not depend on what one process lived to see. Whether a list can be read is known to a process that tried,
/// and only matters to who restored something; that a cleanup takes long, to one that looked for so long; and what was
/// freed, to the one that freed it.
fn is_told_by_all(reason: &str) -> bool {
    use FindingReason::{CleanupBlocked, FinalizerRemoved, NotRead};
    let apart = [CleanupBlocked, FinalizerRemoved, NotRead];
    !apart.iter().any(|other| other.as_str() == reason)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_run_ends_and_leaves_nothing(
        script in script(),
        retention in retention(),
        escapes in (prop::bool::weighted(0.1), prop::bool::weighted(0.1)),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(script, &kept_for(spec(), retention));
        (world.is_wild, world.escapes) = escapes;
        for happening in happenings {
            happen(&mut world, happening);
        }
        finish(&mut world);
        prop_assert!(world.released, "{:?} {:?}", world.phase(), world.status);
        prop_assert!(world.is_clean(), "{:?}", world.sandboxes);
        if !world.deleting {
            prop_assert_eq!(world.phase(), RunPhase::Completed);
            prop_assert!(world.status.result.is_some() && world.status.score.is_some());
            prop_assert_eq!(world.status.leftovers, Some(0));
        }
    }

    #[test]
    fn whatever_is_found_has_a_reason(
        script in script(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(script, &spec());
        for happening in happenings {
            happen(&mut world, happening);
        }
        finish(&mut world);
        let known = |word: &str| {
            RunReason::ALL.iter().any(|reason| reason.as_str() == word)
                || FindingReason::ALL.iter().any(|reason| reason.as_str() == word)
        };
        for finding in &world.status.findings {
            prop_assert!(known(&finding.reason), "{:?}", finding);
        }
    }

    #[test]
    fn a_crash_never_changes_the_verdict(
        script in script(),
        retention in retention(),
        crashes in prop::collection::vec(prop::option::of(0_usize..4), 0..40),
    ) {
        let verdict = |crashes: &[Option<usize>]| {
            let mut world = World::new(script.clone(), &kept_for(settling(), retention));
            for crash in crashes {
                world.advance();
                world.reconcile(*crash);
            }
            finish(&mut world);
            let found = world.status.findings.iter().map(|found| found.reason.clone());
            let found: BTreeSet<String> = found.filter(|reason| is_told_by_all(reason)).collect();
            let status = world.status;
            (status.score, status.result, status.cause, status.reason, status.completeness, found)
        };
        prop_assert_eq!(verdict(&crashes), verdict(&[]));
    }

    #[test]
    fn setting_the_clock_never_changes_the_verdict(
        script in script(),
        pauses in prop::collection::vec(0_u64..20, 0..40),
        set_after in 0_usize..40,
        step in step().prop_filter("the clock shows no moment of the run twice", |step| step.abs() > LONGEST),
    ) {
        let mut settles = settling();
        settles["sla"] = serde_json::json!({ "maxRTO": "2m" });
        let verdict = |step: i64| {
            let mut world = World::new(script.clone(), &settles);
            for (turn, seconds) in pauses.iter().enumerate() {
                world.advance();
                if turn == set_after {
                    world.set_clock(step);
                }
                world.reconcile(None);
                world.pass(*seconds);
            }
            finish(&mut world);
            let took = world.now.duration_since(world.begun);
            (world.status.score, world.status.result, world.status.cause, world.status.reason.clone(),
             world.status.rto.clone(), took, world.is_clean())
        };
        prop_assert_eq!(verdict(step), verdict(0));
    }

    #[test]
    fn nothing_passes_that_is_not_whole(script in script()) {
        let mut world = World::new(script.clone(), &settling());
        finish(&mut world);
        let whole = script.restore_ends == RestorePhase::Completed && script.check_passes
            && script.comes.stays() && script.beside.is_none_or(Comes::stays)
            && script.has_backup && script.has_artifacts && script.velero_works && script.watches_work
            && script.disturbed < 3;
        if whole {
            prop_assert_eq!((world.status.result, world.status.score), (Some(RunResult::Pass), Some(100)));
        } else {
            prop_assert_ne!(world.status.result, Some(RunResult::Pass));
        }
    }
}
