//! What the tests of several files share.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    authority::Authority,
    change::Rules,
    settings::{Lifetimes, Names},
};

/// Life of an authority.
pub const AUTHORITY: Duration = Duration::from_mins(50);
/// Life of a serving certificate.
pub const LEAF: Duration = Duration::from_mins(5);
/// How long an API server may take to notice a bundle.
pub const PROPAGATION: Duration = Duration::from_secs(20);

/// So many seconds after the beginning.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_secs(seconds)
}

pub fn names() -> Names {
    Names::new(["kymaros-webhooks.kymaros.svc".to_owned()]).unwrap()
}

pub fn rules() -> Rules {
    Rules {
        names: names(),
        lifetimes: Lifetimes::new(AUTHORITY, LEAF, PROPAGATION).unwrap(),
    }
}

/// A new authority.
pub fn authority() -> Authority {
    Authority::found(AUTHORITY, at(0)).unwrap()
}
