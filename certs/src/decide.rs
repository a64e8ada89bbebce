//! Every rule about rotation: a pure function of the Secret, the published bundles and the time. Nothing is remembered
//! from one look to the next, so a crash, another replica or a clock that jumped changes nothing.
//!
//! An authority is replaced in this order: the next one is written beside it; bundles with both are published; when all
//! configurations had them for as long as API servers may take to notice, the next one takes over and signs the serving
//! certificate; when the last certificate of the old one has expired, the old one goes.
//!
//! When the authority itself is lost, so is the order. Then the bundles keep, for a short while, whatever they trusted
//! before, and replicas keep serving what is still trusted (see [`crate::serve`]).

use jiff::Timestamp;

use crate::{
    authority::Authority,
    bundle::Bundle,
    certificate::Certificate,
    change::{Change, Rules},
    clock::{after, before},
    published::{Live, Publication, Sight, Sights, Webhook},
    stored::{Announced, Stored},
};

/// A certificate or an authority is renewed when one over this of its life is left.
const RENEW: i32 = 3;
/// At most this many authorities of others stay in a bundle while ours is new.
const MOST_FOREIGN: usize = 8;

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How the Secret changes. First, because what is published may follow from it.
    pub change: Option<Change>,
    /// What is published.
    pub publications: Vec<Publication>,
}

/// Decides.
#[must_use]
pub fn decide(stored: &Stored, sights: &Sights, rules: &Rules, now: Timestamp) -> Decision {
    Decision {
        change: change(stored, sights, rules, now),
        publications: publications(stored, sights, rules, now),
    }
}

/// Whether API servers have noticed the authority: only then may what it signed be the only thing that is served.
#[must_use]
pub fn is_settled(announced: &Announced, rules: &Rules, now: Timestamp) -> bool {
    settled_at(announced, rules, now).is_some_and(|moment| moment <= now)
}

fn settled_at(announced: &Announced, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    published(announced, rules, now).map(|moment| after(moment, rules.lifetimes.propagation()))
}

/// When the authority was published. A moment in the future was written by a clock that was wrong.
fn published(announced: &Announced, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let latest = after(now, rules.lifetimes.propagation());
    announced.published.filter(|moment| *moment <= latest)
}

fn change(stored: &Stored, sights: &Sights, rules: &Rules, now: Timestamp) -> Option<Change> {
    let next = stored.next.as_ref().filter(|n| n.authority.can_sign(now));
    let current = stored
        .authority
        .as_ref()
        .filter(|a| a.authority.certificate.is_valid(now));
    let Some(current) = current else {
        return Some(instead(next));
    };
    if !leaf_holds(stored, &current.authority, rules, now) {
        let can_sign = current.authority.can_sign(now);
        return Some(if can_sign { Change::Renew } else { instead(next) });
    }
    if leaf_is_due(stored, &current.authority, rules, now) {
        return Some(Change::Renew);
    }
    rotation(current, next, sights, rules, now)
        .or_else(|| announcement(current, sights, rules, now).then_some(Change::Announce))
        .or_else(|| has_outlived(stored, now).then_some(Change::Tidy))
}

/// There is no authority to go on with.
fn instead(next: Option<&Announced>) -> Change {
    if next.is_some() {
        Change::Promote
    } else {
        Change::Found
    }
}

/// Whether the serving certificate is whole: valid, for all our names, and of the authority beside it.
fn leaf_holds(stored: &Stored, authority: &Authority, rules: &Rules, now: Timestamp) -> bool {
    let bundle = Bundle::of([&authority.certificate]);
    let leaf = stored.leaf.as_ref();
    leaf.is_some_and(|leaf| bundle.trusts_all(leaf, &rules.names, now).is_ok())
}

/// Whether a new certificate is due, and would last longer than the one that is there.
fn leaf_is_due(stored: &Stored, authority: &Authority, rules: &Rules, now: Timestamp) -> bool {
    let renewed_until = authority.last_moment(rules.lifetimes.leaf(), now);
    stored.leaf.as_ref().is_some_and(|leaf| {
        let certificate = leaf.certificate();
        authority.can_sign(now) && certificate.when_left(RENEW) <= now && certificate.until() < renewed_until
    })
}

/// The next step from one authority to another. What was begun is finished.
fn rotation(
    current: &Announced,
    next: Option<&Announced>,
    sights: &Sights,
    rules: &Rules,
    now: Timestamp,
) -> Option<Change> {
    let Some(next) = next else {
        let due = current.authority.certificate.when_left(RENEW) <= now;
        return (due || current.authority.key.is_none()).then_some(Change::Introduce);
    };
    let certificate = &next.authority.certificate;
    match settled_at(next, rules, now) {
        Some(_) if is_lost(certificate, sights) => Some(Change::RecallNext),
        Some(moment) => (moment <= now && is_everywhere(certificate, sights)).then_some(Change::Promote),
        None => is_everywhere(certificate, sights).then_some(Change::AnnounceNext),
    }
}

fn announcement(current: &Announced, sights: &Sights, rules: &Rules, now: Timestamp) -> bool {
    published(current, rules, now).is_none() && is_everywhere(&current.authority.certificate, sights)
}

fn has_outlived(stored: &Stored, now: Timestamp) -> bool {
    let is_gone = |next: &Announced| !next.authority.can_sign(now);
    stored.has_litter()
        || stored.trusted_old(now).count() < stored.old.len()
        || stored.next.as_ref().is_some_and(is_gone)
}

/// Whether every configuration that exists has it in every bundle. One that does not exist calls nobody.
fn is_everywhere(certificate: &Certificate, sights: &Sights) -> bool {
    let known = !sights.values().any(|sight| *sight == Sight::NotSeen);
    known && !is_lost(certificate, sights)
}

fn is_lost(certificate: &Certificate, sights: &Sights) -> bool {
    let mut webhooks = sights.values().flat_map(Sight::webhooks);
    webhooks.any(|webhook| !webhook.bundle.contains(certificate))
}

/// What is to be put where something else is.
fn publications(stored: &Stored, sights: &Sights, rules: &Rules, now: Timestamp) -> Vec<Publication> {
    let Some(current) = &stored.authority else {
        return Vec::new();
    };
    let keeps_foreign = foreign_until(current, rules, now).is_none_or(|end| now < end);
    let publication = |(configuration, sight): (&_, &Sight<Live>)| {
        let Sight::Present(live) = sight else {
            return None;
        };
        let wanted = |w: &Webhook| (w.name.clone(), wanted(stored, &w.bundle, keeps_foreign, now));
        let publication = Publication {
            configuration: Clone::clone(configuration),
            version: live.version.clone(),
            bundles: live.webhooks.iter().map(wanted).collect(),
        };
        let mut pairs = live.webhooks.iter().zip(&publication.bundles);
        let differs = pairs.any(|(webhook, (_, bundle))| webhook.text != bundle.pem().as_bytes());
        differs.then_some(publication)
    };
    sights.iter().filter_map(publication).collect()
}

/// Until when authorities that are not ours stay in the bundles: as long as a replica may serve what they signed.
fn foreign_until(current: &Announced, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    settled_at(current, rules, now).map(|moment| after(moment, rules.lifetimes.propagation()))
}

/// The bundle that a webhook should have.
fn wanted(stored: &Stored, live: &Bundle, keeps_foreign: bool, now: Timestamp) -> Bundle {
    let ours = [&stored.authority, &stored.next].into_iter().flatten();
    let ours = ours
        .map(|a| &a.authority.certificate)
        .chain(stored.trusted_old(now));
    let ours: Vec<&Certificate> = ours.collect();
    let foreign = live.certificates().iter();
    let foreign = foreign.filter(|c| keeps_foreign && c.may_sign() && c.is_valid(now) && !ours.contains(c));
    Bundle::of(ours.iter().copied().chain(foreign.take(MOST_FOREIGN)))
}

/// The next moment at which something else may be decided or served, even if nothing happens.
#[must_use]
pub fn wake(stored: &Stored, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let mut moments = Vec::new();
    for announced in [&stored.authority, &stored.next].into_iter().flatten() {
        let certificate = &announced.authority.certificate;
        moments.extend([certificate.when_left(RENEW), certificate.until()]);
        moments.extend(settled_at(announced, rules, now));
        moments.extend(foreign_until(announced, rules, now));
    }
    if let Some(leaf) = &stored.leaf {
        let until = leaf.certificate().until();
        moments.extend([leaf.certificate().when_left(RENEW), until]);
        // One of somebody else that is longer than ours would be.
        moments.push(before(until, rules.lifetimes.leaf()));
    }
    moments.extend(stored.old.iter().map(Certificate::until));
    moments.extend(stored.old_until);
    moments.into_iter().filter(|moment| now < *moment).min()
}

#[cfg(test)]
mod tests;
