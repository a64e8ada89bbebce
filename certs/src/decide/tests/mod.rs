//! Tables of rules, and properties over histories.

mod properties;
mod world;

use std::time::Duration;

use super::*;
use crate::{
    clock::before,
    published::{Configuration, Kind, Live},
    registration::Registration,
    settings::Names,
    tests::{LEAF, PROPAGATION, at, authority, rules},
};

/// An authority and its certificate, both of which begin now, and are known to everybody.
fn healthy() -> Stored {
    let stored = Change::Found.apply(&Stored::default(), &rules(), at(0)).unwrap();
    Change::Announce.apply(&stored, &rules(), at(0)).unwrap()
}

/// One configuration with one webhook that has these authorities.
fn published(bundle: &Bundle) -> Sights {
    let webhook = Webhook {
        name: "a".into(),
        text: bundle.pem().into_bytes(),
        bundle: bundle.clone(),
        registration: Registration::default(),
    };
    let live = Live {
        version: "7".into(),
        webhooks: vec![webhook],
    };
    [(configuration("one"), Sight::Present(live))].into()
}

fn configuration(name: &str) -> Configuration {
    let name = name.to_owned();
    Configuration {
        kind: Kind::Validating,
        name,
    }
}

/// Everything that is stored, published.
fn all_published(stored: &Stored) -> Sights {
    let both = [&stored.authority, &stored.next].into_iter().flatten();
    published(&Bundle::of(
        both.map(|a| &a.authority.certificate).chain(&stored.old),
    ))
}

fn decided(stored: &Stored, sights: &Sights, now: Timestamp) -> Option<Change> {
    decide(stored, sights, &rules(), now).change
}

fn later(moment: Timestamp, seconds: u64) -> Timestamp {
    after(moment, Duration::from_secs(seconds))
}

#[test]
fn nothing_is_done_when_all_is_well() {
    let stored = healthy();
    assert_eq!(
        decide(&stored, &all_published(&stored), &rules(), at(0)),
        Decision::default()
    );
    assert_eq!(
        decided(&Stored::default(), &Sights::new(), at(0)),
        Some(Change::Found)
    );
}

#[test]
fn a_certificate_is_renewed_in_time_and_never_for_a_shorter_one() {
    let stored = healthy();
    let sights = all_published(&stored);
    let due = stored.leaf.as_ref().unwrap().certificate().when_left(RENEW);
    assert_eq!(
        decided(&stored, &sights, before(due, Duration::from_secs(1))),
        None
    );
    assert_eq!(decided(&stored, &sights, due), Some(Change::Renew));
    assert_eq!(
        wake(&stored, &rules(), before(due, Duration::from_secs(1))),
        Some(due)
    );
    // As long as its authority: a new one would end at the same moment.
    let end = stored.authority.as_ref().unwrap().authority.certificate.until();
    let stored = Change::Renew
        .apply(&stored, &rules(), before(end, LEAF / 2))
        .unwrap();
    assert_eq!(stored.leaf.as_ref().unwrap().certificate().until(), end);
    assert_ne!(
        decided(&stored, &sights, before(end, LEAF / 10)),
        Some(Change::Renew)
    );
}

#[test]
fn a_certificate_that_does_not_hold_is_replaced() {
    let stored = healthy();
    let sights = all_published(&stored);
    let other_names = Rules {
        names: Names::new(["other.kymaros.svc".to_owned()]).unwrap(),
        ..rules()
    };
    assert_eq!(
        decide(&stored, &sights, &other_names, at(0)).change,
        Some(Change::Renew)
    );
    let of_another = Stored {
        leaf: healthy().leaf,
        ..stored.clone()
    };
    assert_eq!(decided(&of_another, &sights, at(0)), Some(Change::Renew));
    let gone = Stored { leaf: None, ..stored };
    assert_eq!(decided(&gone, &sights, at(0)), Some(Change::Renew));
}

#[test]
fn an_authority_is_replaced_step_by_step() {
    let mut stored = healthy();
    let old = stored.authority.clone().unwrap().authority.certificate;
    let due = old.when_left(RENEW);
    stored = Change::Renew.apply(&stored, &rules(), due).unwrap();
    let leaf_ends = stored.leaf.as_ref().unwrap().certificate().until();
    let sights = all_published(&stored);
    assert_eq!(
        decided(&stored, &sights, before(due, Duration::from_secs(1))),
        None
    );
    let step = |stored: &mut Stored, sights: &Sights, change: Change, now: Timestamp| {
        assert_eq!(decided(stored, sights, now), Some(change));
        *stored = change.apply(stored, &rules(), now).unwrap();
    };
    step(&mut stored, &sights, Change::Introduce, due);
    // Nobody knows it yet: it is published beside the old one, and that is all.
    let decision = decide(&stored, &sights, &rules(), due);
    assert_eq!((decision.change, decision.publications.len()), (None, 1));
    let both = &decision.publications[0].bundles[0].1;
    assert_eq!(both.certificates().len(), 2);
    let sights = published(both);
    step(&mut stored, &sights, Change::AnnounceNext, due);
    let noticed = after(due, PROPAGATION);
    assert_eq!(
        decided(&stored, &sights, before(noticed, Duration::from_secs(1))),
        None
    );
    assert_eq!(wake(&stored, &rules(), due), Some(noticed));
    step(&mut stored, &sights, Change::Promote, noticed);
    assert_eq!(decide(&stored, &sights, &rules(), noticed), Decision::default());
    assert_eq!(
        (stored.old.as_slice(), stored.old_until),
        ([old.clone()].as_slice(), Some(leaf_ends))
    );
    // The new certificate is renewed before the last one of the old authority has ended.
    stored = Change::Renew
        .apply(&stored, &rules(), before(leaf_ends, PROPAGATION))
        .unwrap();
    step(&mut stored, &sights, Change::Tidy, leaf_ends);
    let decision = decide(&stored, &sights, &rules(), leaf_ends);
    assert!(
        !decision.publications[0].bundles[0].1.contains(&old),
        "the old one is still published"
    );
}

/// A healthy Secret in which the next authority has been announced.
fn announced() -> Stored {
    let stored = Change::Introduce.apply(&healthy(), &rules(), at(0)).unwrap();
    Change::AnnounceNext.apply(&stored, &rules(), at(0)).unwrap()
}

#[test]
fn the_wait_starts_anew_when_a_bundle_is_lost() {
    let stored = announced();
    let lost = all_published(&healthy());
    assert_eq!(decided(&stored, &lost, at(1)), Some(Change::RecallNext));
    let recalled = Change::RecallNext.apply(&stored, &rules(), at(1)).unwrap();
    assert_eq!(decided(&recalled, &lost, at(100)), None);
    assert_eq!(
        decided(&recalled, &all_published(&stored), at(100)),
        Some(Change::AnnounceNext)
    );
}

#[test]
fn what_is_not_seen_is_waited_for_and_what_does_not_exist_is_not() {
    let stored = announced();
    let with = |sight| {
        let mut sights = all_published(&stored);
        sights.insert(configuration("two"), sight);
        sights
    };
    let noticed = after(at(0), PROPAGATION);
    assert_eq!(decided(&stored, &with(Sight::NotSeen), noticed), None);
    assert_eq!(
        decided(&stored, &with(Sight::Absent), noticed),
        Some(Change::Promote)
    );
}

#[test]
fn a_clock_that_was_wrong_does_not_hold_a_rotation_up() {
    let stored = Change::Introduce.apply(&healthy(), &rules(), at(0)).unwrap();
    let future = Change::AnnounceNext.apply(&stored, &rules(), at(1000)).unwrap();
    assert_eq!(
        decided(&future, &all_published(&future), at(1)),
        Some(Change::AnnounceNext)
    );
}

#[test]
fn without_its_key_an_authority_is_replaced_as_if_it_were_old() {
    let mut stored = healthy();
    stored.authority.as_mut().unwrap().authority.key = None;
    let sights = all_published(&stored);
    assert_eq!(decided(&stored, &sights, at(0)), Some(Change::Introduce));
    stored.leaf = None;
    assert_eq!(decided(&stored, &sights, at(0)), Some(Change::Found));
    stored.next = announced().next;
    assert_eq!(decided(&stored, &sights, at(0)), Some(Change::Promote));
}

#[test]
fn an_authority_that_has_ended_is_replaced_at_once() {
    let stored = healthy();
    let sights = all_published(&stored);
    assert_eq!(decided(&stored, &sights, at(1 << 20)), Some(Change::Found));
    let founded = Change::Found.apply(&stored, &rules(), at(1 << 20)).unwrap();
    assert_eq!(
        decided(&founded, &all_published(&founded), at(1 << 20)),
        Some(Change::Announce)
    );
}

#[test]
fn others_stay_in_a_bundle_until_our_new_authority_is_known() {
    let founded = Change::Found.apply(&Stored::default(), &rules(), at(0)).unwrap();
    let ours = founded.authority.clone().unwrap().authority.certificate;
    let (theirs, ended) = (
        authority().certificate,
        Authority::found(LEAF, before(at(0), LEAF)).unwrap(),
    );
    let sights = published(&Bundle::of([&theirs, &ended.certificate]));
    let wanted = |stored: &Stored, now| {
        let publications = decide(stored, &sights, &rules(), now).publications;
        publications[0].bundles[0].1.clone()
    };
    assert_eq!(wanted(&founded, at(0)), Bundle::of([&ours, &theirs]));
    let announced = Change::Announce.apply(&founded, &rules(), at(0)).unwrap();
    let noticed = after(at(0), PROPAGATION);
    assert_eq!(wanted(&announced, noticed), Bundle::of([&ours, &theirs]));
    assert_eq!(
        wanted(&announced, after(noticed, PROPAGATION)),
        Bundle::of([&ours])
    );
}

#[test]
fn anything_else_in_a_bundle_is_replaced() {
    let stored = healthy();
    let now = later(at(0), 3 * PROPAGATION.as_secs());
    for text in ["", "garbage", authority().certificate.pem()] {
        let mut sights = all_published(&stored);
        let Some(Sight::Present(live)) = sights.get_mut(&configuration("one")) else {
            panic!("it is there");
        };
        live.webhooks[0].text = text.into();
        live.webhooks[0].bundle = Bundle::read(text.as_bytes());
        let publications = decide(&stored, &sights, &rules(), now).publications;
        let ours = &stored.authority.as_ref().unwrap().authority.certificate;
        assert_eq!(publications[0].bundles, [("a".to_owned(), Bundle::of([ours]))]);
        assert_eq!(publications[0].version, "7");
    }
    let nothing = decide(&Stored::default(), &all_published(&stored), &rules(), now);
    assert_eq!(nothing.publications, []);
}
