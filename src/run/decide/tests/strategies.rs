//! What property tests try.

use proptest::prelude::*;

use super::world::{Comes, Held, Hindrance, Script, spec};
use crate::velero::restore::RestorePhase;

/// Longer than any run here, seconds.
pub(super) const LONGEST: i64 = 5000;

/// 2,000 histories; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more and for others.
pub(super) fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = asked.cases.max(2000);
    ProptestConfig { cases, ..asked }
}

/// A test whose workloads have to stay up for ten seconds.
pub(super) fn settling() -> serde_json::Value {
    let mut spec = spec();
    spec["healthChecks"]["settle"] = "10s".into();
    spec
}

/// How long sandboxes are kept.
pub(super) fn retention() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Immediate", "OnFailure", "UntilTTL"])
}

/// A test that keeps them so.
pub(super) fn kept_for(mut spec: serde_json::Value, retention: &str) -> serde_json::Value {
    spec["sandbox"]["retention"] = retention.into();
    spec
}

/// Seconds by which somebody sets the clock.
pub(super) fn step() -> impl Strategy<Value = i64> {
    const DAY: i64 = 86_400;
    prop_oneof![-400 * DAY..=400 * DAY, -7200_i64..=7200, Just(3600), Just(-3600)]
}

pub(super) fn script() -> impl Strategy<Value = Script> {
    let ends = prop_oneof![
        4 => Just(RestorePhase::Completed),
        1 => Just(RestorePhase::PartiallyFailed),
        1 => Just(RestorePhase::Failed),
        1 => Just(RestorePhase::FailedValidation),
    ];
    let chance = || prop::bool::weighted(0.8);
    let workloads = (comes(), prop::option::weighted(0.3, comes()));
    let check = (chance(), check_takes());
    let disturbed = prop_oneof![3 => Just(0), 1 => 1_u8..4];
    let late = prop_oneof![1 => Just(0), 1 => 1_u8..6];
    let works = (chance(), chance());
    (
        ends,
        workloads,
        check,
        chance(),
        chance(),
        works,
        (disturbed, late),
        hindrance(),
    )
        .prop_map(
            |(
                restore_ends,
                workloads,
                check,
                has_backup,
                has_artifacts,
                works,
                (disturbed, late),
                hindrance,
            )| {
                Script {
                    restore_ends,
                    comes: workloads.0,
                    beside: workloads.1,
                    check_passes: check.0,
                    check_takes: check.1,
                    has_backup,
                    has_artifacts,
                    velero_works: works.0,
                    watches_work: works.1,
                    disturbed,
                    contents_are_late: late,
                    hindrance,
                }
            },
        )
}

/// What comes up at all does so while there is time for it, and what does not stay crashes before it has settled.
pub(super) fn comes() -> impl Strategy<Value = Comes> {
    let faltering = (1_u16..=10, prop::option::of(1_u16..=60));
    prop_oneof![
        8 => Just(Comes::Up),
        1 => Just(Comes::Crashing),
        1 => Just(Comes::Never),
        1 => Just(Comes::Late),
        3 => (0_u16..=240).prop_map(Comes::After),
        3 => faltering.prop_map(|(lives, back)| Comes::Faltering { lives, back }),
    ]
}

/// Less than a check has in any case.
pub(super) fn check_takes() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0), 1 => 0_u16..=25]
}

/// All of it together is over before a run is, and half of it within a minute. Restores that stay for long are left behind, so
/// whoever refuses that they go is not among it.
pub(super) fn hindrance() -> impl Strategy<Value = Hindrance> {
    let takes = prop_oneof![3 => 0_u16..=BRIEF, 1 => 0_u16..=30];
    let lapse = prop_oneof![2 => 0_u16..=BRIEF, 1 => 0_u16..=75];
    let what = prop::sample::select(vec!["Namespace", "finalizers"]);
    let held = prop_oneof![
        2 => Just(None::<Held>),
        1 => (0_u16..=BRIEF).prop_map(|lapse| Some(Held::For(lapse))),
        2 => Just(Some(Held::Still)),
    ];
    (takes, held, any::<bool>(), prop::option::of((what, lapse))).prop_map(
        |(takes, held, guarded, refused)| Hindrance {
            takes,
            held,
            guarded,
            refused,
        },
    )
}

/// Seconds. Nobody is told of a cleanup that nothing holds up for longer.
pub(super) const BRIEF: u16 = 10;

/// Whether a sandbox is gone within a minute, however many such things come together.
pub(super) fn is_brief(hindrance: &Hindrance) -> bool {
    hindrance.takes <= BRIEF && hindrance.refused.is_none_or(|(_, lapse)| lapse <= BRIEF)
}
