//! Property tests: workloads come late or do not stay, sandboxes are held up, and meanwhile the operator dies anywhere and is away
//! for minutes. The report says the same, and nothing is left.

use kymaros_crds::{CheckResult, Finding, RunPhase};
use proptest::prelude::*;

use super::{
    properties::finish,
    strategies::{BRIEF, check_takes, comes, config, hindrance, is_brief, settling},
    world::{Hindrance, Script, World},
};

/// Turns of a run in which the operator dies again and again.
const HASTY: usize = 40;
/// Turns of one in which it dies once: longer than anything is waited for.
const SLOW: usize = 60;

/// One turn of the world and the operator.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The operator dies after so many effects, and writes nothing.
    dies_after: Option<usize>,
    /// Seconds until the next one.
    pause: u64,
}

/// What comes after them goes on undisturbed. All of it together is over before the run is.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let hasty = (prop::option::weighted(0.4, 0_usize..5), 0_u64..=4);
    let hasty = hasty.prop_map(|(dies_after, pause)| Turn { dies_after, pause });
    let slow = (0..SLOW, 0_usize..5).prop_map(|(dies_at, effects)| {
        let turn = |at: usize| Turn {
            dies_after: (at == dies_at).then_some(effects),
            pause: 10,
        };
        (0..SLOW).map(turn).collect::<Vec<_>>()
    });
    prop_oneof![prop::collection::vec(hasty, 0..HASTY), slow]
}

/// Before which turn the operator is away, and for how many seconds: longer than it waits for anything that goes.
fn absence() -> impl Strategy<Value = Option<(usize, u64)>> {
    prop::option::of((0..HASTY, 61_u64..=150))
}

/// Velero and the storage do their work: what is left to go wrong is the application's, or nobody's.
fn script() -> impl Strategy<Value = Script> {
    let workloads = (comes(), prop::option::of(comes()));
    let check = (any::<bool>(), check_takes());
    let refuses_restores = prop::option::weighted(0.2, 0_u16..=BRIEF);
    (
        workloads,
        check,
        0_u8..=1,
        0_u8..=2,
        hindrance(),
        refuses_restores,
    )
        .prop_map(
            |(workloads, check, disturbed, late, mut hindrance, refuses_restores)| {
                if let Some(lapse) = refuses_restores {
                    hindrance.refused = Some(("Restore", lapse));
                }
                Script {
                    comes: workloads.0,
                    beside: workloads.1,
                    check_passes: check.0,
                    check_takes: check.1,
                    disturbed,
                    contents_are_late: late,
                    hindrance,
                    ..Script::healthy()
                }
            },
        )
}

fn story(script: &Script, turns: &[Turn], absence: Option<(usize, u64)>) -> World {
    let mut world = World::new(script.clone(), &settling());
    for (index, turn) in turns.iter().enumerate() {
        if let Some((_, seconds)) = absence.filter(|(at, _)| *at == index) {
            world.crash();
            world.pass(seconds);
        }
        world.advance();
        world.reconcile(turn.dies_after);
        world.pass(turn.pause);
    }
    finish(&mut world);
    world
}

/// Findings of these reasons, or all others.
fn found(world: &World, reasons: &[&str], are_these: bool) -> Vec<Finding> {
    let findings = world.status.findings.iter();
    let these = findings.filter(|f| reasons.contains(&f.reason.as_str()) == are_these);
    these.cloned().collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_report_says_the_same_whatever_is_late_or_held_up_and_wherever_the_operator_dies(
        script in script(),
        turns in turns(),
        absence in absence(),
    ) {
        let calm = Script { hindrance: Hindrance::default(), ..script.clone() };
        let expected = story(&calm, &[], None);
        let world = story(&script, &turns, absence);
        let verdict = |world: &World| {
            let status = &world.status;
            (status.score, status.result, status.cause, status.reason.clone(), status.completeness.clone())
        };
        prop_assert_eq!(verdict(&world), verdict(&expected));
        // What held a cleanup up is told by who saw it.
        let of_cleanup = ["CleanupBlocked", "FinalizerRemoved"];
        prop_assert_eq!(found(&world, &of_cleanup, false), found(&expected, &of_cleanup, false));

        // Who comes up in time and stays, and what answers then, is not accused; everybody else is.
        let workloads = [Some(script.comes), script.beside].into_iter().flatten();
        let lost = workloads.filter(|comes| !comes.stays()).count();
        prop_assert_eq!(found(&world, &["WorkloadNotReady"], true).len(), lost);
        let checks = world.status.checks.iter().map(|check| check.status == CheckResult::Pass);
        prop_assert_eq!(checks.collect::<Vec<_>>(), [script.check_passes]);

        prop_assert!(world.released && world.is_clean(), "{:?} {:?}", world.sandboxes, world.status);
        prop_assert_eq!((world.phase(), world.status.leftovers), (RunPhase::Completed, Some(0)));
        let status = &world.status;
        prop_assert_eq!([status.sandboxes.len(), status.restores.len()], [1, 1]);
        let tries = status.attempt.unwrap_or(1);
        prop_assert_eq!(i32::from(world.restores_before), tries, "one Restore a try");
    }

    #[test]
    fn what_is_freed_is_named_once_and_no_cleanup_is_held_up_that_is_over_in_time(
        script in script(),
        turns in turns(),
        absence in absence(),
    ) {
        let world = story(&script, &turns, absence);
        let named: Vec<usize> = world.taken_off.iter().map(|freed| world.named(freed)).collect();
        for (freed, named) in world.taken_off.iter().zip(&named) {
            // A process that dies between freeing it and writing its report takes that along.
            let may_be_unnamed = world.died_unnamed.contains(freed);
            prop_assert!(*named == 1 || (*named == 0 && may_be_unnamed), "{freed}: {named}");
        }
        let findings = found(&world, &["FinalizerRemoved"], true);
        prop_assert_eq!(findings.len(), named.iter().sum::<usize>(), "{:?}", findings);
        if is_brief(&script.hindrance) {
            let blocked = found(&world, &["CleanupBlocked"], true);
            prop_assert!(blocked.is_empty(), "{:?}", blocked);
        }
    }
}
