//! Whatever the order of events, wherever a replica dies: API servers never meet a certificate that they do not trust,
//! and everything comes to rest.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;
use crate::{
    bundle::Bundle,
    tests::{LEAF, PROPAGATION, authority},
};

/// Something that happens to a replica, or time.
#[derive(Clone, Copy, Debug)]
enum Happening {
    SeesSecret(usize),
    SeesConfiguration(usize, usize),
    Looks(usize),
    Acts(usize),
    /// All of the above, until nothing is left to do.
    Works(usize),
    IsRefused(usize),
    Dies(usize),
    TimePasses(u64),
}

/// Something that somebody else does.
#[derive(Clone, Copy, Debug)]
enum Damage {
    SecretDeleted,
    EntryGone(&'static str),
    EntryGarbled(&'static str),
    Replaced,
    BundleEmptied(usize),
    BundleOverwritten(usize),
    ConfigurationRemovedOrMade(usize),
}

/// Entries whose loss leaves what replicas serve trusted.
const MENDED_QUIETLY: [&str; 8] = [
    "ca.crt",
    "ca.key",
    "ca.published",
    "next-ca.crt",
    "next-ca.key",
    "next-ca.published",
    "tls.crt",
    "tls.key",
];

fn happening() -> impl Strategy<Value = Happening> {
    let replica = 0_usize..2;
    prop_oneof![
        2 => replica.clone().prop_map(Happening::SeesSecret),
        2 => (replica.clone(), 0_usize..2).prop_map(|(r, c)| Happening::SeesConfiguration(r, c)),
        4 => replica.clone().prop_map(Happening::Looks),
        4 => replica.clone().prop_map(Happening::Acts),
        4 => replica.clone().prop_map(Happening::Works),
        1 => replica.clone().prop_map(Happening::IsRefused),
        1 => replica.prop_map(Happening::Dies),
        4 => (1_u64..40).prop_map(Happening::TimePasses),
    ]
}

fn quiet_damage() -> impl Strategy<Value = Damage> {
    let entry = || prop::sample::select(MENDED_QUIETLY.as_slice());
    prop_oneof![
        1 => Just(Damage::SecretDeleted),
        1 => entry().prop_map(Damage::EntryGone),
        1 => entry().prop_map(Damage::EntryGarbled),
        1 => Just(Damage::Replaced),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let old = prop::sample::select(["old-ca.crt", "old-ca.until"].as_slice());
    prop_oneof![
        4 => quiet_damage(),
        1 => old.prop_map(Damage::EntryGarbled),
        2 => (0_usize..2).prop_map(Damage::BundleEmptied),
        1 => (0_usize..2).prop_map(Damage::BundleOverwritten),
        1 => (0_usize..2).prop_map(Damage::ConfigurationRemovedOrMade),
    ]
}

fn happen(world: &mut World, happening: Happening) {
    match happening {
        Happening::SeesSecret(replica) => world.sees_secret(replica),
        Happening::SeesConfiguration(replica, which) => world.sees_configurations(replica, which),
        Happening::Looks(replica) => world.look(replica),
        Happening::Acts(replica) => drop(world.act(replica, true)),
        Happening::Works(replica) => world.work(replica),
        Happening::IsRefused(replica) => drop(world.act(replica, false)),
        Happening::Dies(replica) => world.restart(replica),
        Happening::TimePasses(seconds) => world.pass(Duration::from_secs(seconds)),
    }
}

fn do_damage(world: &mut World, damage: Damage) {
    match damage {
        Damage::SecretDeleted => world.delete_secret(),
        Damage::EntryGone(entry) => world.damage(entry, None),
        Damage::EntryGarbled(entry) => world.damage(entry, Some("-----BEGIN CERTIFICATE-----")),
        Damage::Replaced => world.replace(),
        Damage::BundleEmptied(which) => world.overwrite(which, ""),
        Damage::BundleOverwritten(which) => world.overwrite(which, authority().certificate.pem()),
        Damage::ConfigurationRemovedOrMade(which) => world.remove_or_make(which),
    }
}

/// Time goes on and nobody disturbs.
fn come_to_rest(world: &mut World) {
    for _ in 0..(2 * LEAF.as_secs() / PROPAGATION.as_secs()) {
        world.round();
        world.pass(PROPAGATION);
    }
    world.round();
}

fn is_at_rest(world: &mut World) -> Result<(), TestCaseError> {
    let stored = world.stored();
    prop_assert_eq!(&stored.flaws, &[]);
    let authority = stored
        .authority
        .as_ref()
        .map(|a| a.authority.certificate.clone())
        .unwrap();
    prop_assert!(authority.is_valid(world.now));
    for replica in &world.replicas {
        prop_assert_eq!(&replica.served, &stored.leaf);
    }
    // A rotation that is due by the clock may be under way, or its old authority on its way out.
    let next = stored.next.as_ref().map(|n| &n.authority.certificate);
    let all = Bundle::of([&authority].into_iter().chain(next).chain(&stored.old));
    for bundle in world.bundles() {
        prop_assert_eq!(bundle, &all);
    }
    world.forget_history();
    prop_assert!(world.everybody_is_trusted());
    Ok(())
}

/// 50 histories; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more and for others.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    let cases = if asked { default.cases } else { 50 };
    ProptestConfig { cases, ..default }
}

/// A replica looks at least this often, or its certificate would expire unseen.
const ATTENTION: Duration = Duration::from_secs(LEAF.as_secs() / 4);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_served_is_always_trusted(
        // Not so old that it ends before a replica looks twice.
        age in 0_u64..700,
        happenings in prop::collection::vec(happening(), 0..150),
    ) {
        let mut world = World::installed(Duration::from_secs(age), ATTENTION);
        for happening in happenings {
            happen(&mut world, happening);
            prop_assert!(world.everybody_is_trusted(), "after {happening:?} at {}", world.now);
        }
        come_to_rest(&mut world);
        is_at_rest(&mut world)?;
    }

    #[test]
    fn a_first_installation_comes_to_rest(happenings in prop::collection::vec(happening(), 0..60)) {
        let mut world = World::empty(ATTENTION);
        for happening in happenings {
            happen(&mut world, happening);
        }
        come_to_rest(&mut world);
        is_at_rest(&mut world)?;
    }

    #[test]
    fn a_damaged_secret_is_mended_while_what_is_served_stays_trusted(
        age in 0_u64..800,
        happenings in prop::collection::vec((happening(), prop::option::weighted(0.05, quiet_damage())), 0..100),
    ) {
        // Nobody dies here: what is lost with the Secret lives on only in the replicas.
        let lives = |h: &Happening| !matches!(h, Happening::Dies(_) | Happening::IsRefused(_));
        let mut world = World::installed(Duration::from_secs(age), PROPAGATION / 2);
        for (happening, damage) in happenings.into_iter().filter(|(h, _)| lives(h)) {
            if let Some(damage) = damage {
                do_damage(&mut world, damage);
            }
            let happening = match happening {
                Happening::TimePasses(seconds) => Happening::TimePasses(seconds / 4),
                other => other,
            };
            happen(&mut world, happening);
            prop_assert!(world.everybody_is_trusted(), "after {damage:?}, {happening:?} at {}", world.now);
        }
        come_to_rest(&mut world);
        is_at_rest(&mut world)?;
    }

    #[test]
    fn any_damage_is_mended(
        age in 0_u64..890,
        happenings in prop::collection::vec((happening(), prop::option::weighted(0.2, damage())), 0..60),
        asleep in prop::option::weighted(0.3, 0_u64..5000),
    ) {
        let mut world = World::installed(Duration::from_secs(age), ATTENTION);
        for (happening, damage) in happenings {
            if let Some(damage) = damage {
                do_damage(&mut world, damage);
            }
            happen(&mut world, happening);
        }
        if let Some(seconds) = asleep {
            world.now = crate::clock::after(world.now, Duration::from_secs(seconds));
        }
        come_to_rest(&mut world);
        is_at_rest(&mut world)?;
    }
}
