//! What it means that a cluster answers: whether all that is known of it is current, and whether its lists come.

use std::time::Duration;

use kube::runtime::watcher::Event;
use tokio::time::Instant;

/// How long nothing of its lists may come although it answers, and how long what was known before passes for current
/// meanwhile: many times what the largest page takes.
pub(in crate::clusters) const STALLED: Duration = Duration::from_mins(3);

/// What it means that a cluster answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// All that is known of it is current.
    Current,
    /// Its lists are coming.
    Coming,
    /// They are coming, and what was known before is old meanwhile.
    Slow,
    /// They do not come.
    Stalled,
}

/// How the lists of a cluster come, the first ones and those that are made anew later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    /// When something of a list came last.
    came: Instant,
    /// When all lists were last seen to be whole.
    whole: Instant,
}

impl Listing {
    /// They are asked for.
    pub(super) fn begun(now: Instant) -> Self {
        Self {
            came: now,
            whole: now,
        }
    }

    /// An event of a watch has come.
    pub(super) fn saw<K>(&mut self, event: &Event<K>, now: Instant) {
        if matches!(event, Event::Init | Event::InitApply(_) | Event::InitDone) {
            self.came = now;
        }
    }

    /// The cluster answers; `is_whole` says whether its lists are.
    pub(super) fn sign(&mut self, is_whole: bool, now: Instant) -> Sign {
        if is_whole {
            self.whole = now;
            return Sign::Current;
        }
        if now - self.came > STALLED {
            Sign::Stalled
        } else if now - self.whole > STALLED {
            Sign::Slow
        } else {
            Sign::Coming
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_made_anew_is_waited_for_as_long_as_the_first() {
        let begun = Instant::now();
        let after = |minutes| begun + Duration::from_mins(minutes);
        let mut listing = Listing::begun(begun);
        assert_eq!(listing.sign(false, after(3)), Sign::Coming);
        assert_eq!(listing.sign(false, after(4)), Sign::Stalled);

        listing.saw(&Event::<()>::InitDone, after(4));
        assert_eq!(listing.sign(true, after(60)), Sign::Current, "a quiet watch");
        listing.saw(&Event::<()>::Init, after(61));
        assert_eq!(listing.sign(false, after(62)), Sign::Coming);
        listing.saw(&Event::Apply(()), after(63));
        assert_eq!(
            listing.sign(false, after(65)),
            Sign::Stalled,
            "what comes on a watch is none of a list"
        );
    }

    #[test]
    fn a_list_that_comes_slowly_makes_what_is_known_old() {
        let begun = Instant::now();
        let mut listing = Listing::begun(begun);
        let signs = [2, 4, 6].map(|minutes| {
            let now = begun + Duration::from_mins(minutes);
            listing.saw(&Event::InitApply(()), now);
            listing.sign(false, now)
        });
        assert_eq!(signs, [Sign::Coming, Sign::Slow, Sign::Slow]);
        assert_eq!(listing.sign(true, begun + Duration::from_mins(7)), Sign::Current);
    }
}
