//! How long a run is followed: a plain function of what came of it, and of the time.

use std::time::Duration;

use tokio::time::Instant;

/// How long a run whose verdict is known may take to clean up.
pub(super) const CLEAN_UP: Duration = Duration::from_mins(2);
/// How long nothing may come before that is said.
const QUIET: Duration = Duration::from_mins(2);

/// What came of a run so far, and how long it is followed at most.
pub(super) struct Patience {
    until: Option<Instant>,
    judged: Option<Instant>,
    news: Instant,
    said: Instant,
}

/// What follows while nothing comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Something may come, until then.
    Wait(Instant),
    /// For so long nothing has come, and whoever looks on is told.
    Quiet(Duration),
    /// The verdict is known, and what is left of the run is not waited for any longer.
    CleansUp,
    /// There is no verdict, and it is not waited for any longer.
    NoVerdict,
}

impl Patience {
    /// With a run that has just begun.
    pub(super) fn new(now: Instant, limit: Option<Duration>) -> Self {
        Self {
            until: limit.and_then(|limit| now.checked_add(limit)),
            judged: None,
            news: now,
            said: now,
        }
    }

    /// The run changed.
    pub(super) fn news(&mut self, now: Instant, is_judged: bool) {
        (self.news, self.said) = (now, now);
        if is_judged {
            self.judged.get_or_insert(now);
        }
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        let over = self.until.is_some_and(|until| until <= now);
        let by = |at: Instant| Next::Wait(self.until.map_or(at, |until| until.min(at)));
        match self.judged {
            Some(judged) if over || judged + CLEAN_UP <= now => Next::CleansUp,
            Some(judged) => by(judged + CLEAN_UP),
            None if over => Next::NoVerdict,
            None if self.said + QUIET <= now => {
                self.said = now;
                Next::Quiet(now.duration_since(self.news))
            }
            None => by(self.said + QUIET),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_verdict_is_enough_although_the_cleanup_never_ends() {
        let begun = Instant::now();
        let mut patience = Patience::new(begun, None);
        let judged = begun + 60 * SECOND;
        patience.news(judged, true);
        let end = judged + CLEAN_UP;
        assert_eq!(patience.next(judged), Next::Wait(end));
        patience.news(end - SECOND, true);
        assert_eq!(patience.next(end - SECOND), Next::Wait(end));
        assert_eq!(patience.next(end), Next::CleansUp);
    }

    #[test]
    fn the_limit_holds_before_and_after_the_verdict() {
        let begun = Instant::now();
        let limit = begun + 90 * SECOND;
        let mut patience = Patience::new(begun, Some(90 * SECOND));
        assert_eq!(patience.next(begun), Next::Wait(limit));
        assert_eq!(patience.next(limit), Next::NoVerdict);
        patience.news(limit - SECOND, true);
        assert_eq!(patience.next(limit - SECOND), Next::Wait(limit));
        assert_eq!(patience.next(limit), Next::CleansUp);
    }

    #[test]
    fn silence_is_said_now_and_then_and_never_ends_it() {
        let begun = Instant::now();
        let mut patience = Patience::new(begun, None);
        assert_eq!(patience.next(begun), Next::Wait(begun + QUIET));
        assert_eq!(patience.next(begun + QUIET), Next::Quiet(QUIET));
        assert_eq!(patience.next(begun + QUIET), Next::Wait(begun + 2 * QUIET));
        assert_eq!(patience.next(begun + 2 * QUIET), Next::Quiet(2 * QUIET));
        patience.news(begun + 3 * QUIET, false);
        assert_eq!(patience.next(begun + 3 * QUIET), Next::Wait(begun + 4 * QUIET));
    }
}
