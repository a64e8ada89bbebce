//! How fast things are tried: at once, unless something fails again and again, or somebody else undoes it again and again.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// So many writes are done as fast as they come.
const BURST: usize = 20;
/// In so much time.
const WINDOW: Duration = Duration::from_secs(10);
/// Between writes after that.
const SLOW: Duration = Duration::from_secs(1);
/// After the first failure; twice as long after each more.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Never longer than this.
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Counts writes and failures.
#[derive(Debug, Default)]
pub struct Pace {
    writes: VecDeque<Instant>,
    failures: u32,
    rests_until: Option<Instant>,
}

impl Pace {
    /// How long to rest before anything else is tried.
    pub fn rest(&self, now: Instant) -> Duration {
        let end = self.rests_until;
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(now))
    }

    /// Something was written.
    pub fn wrote(&mut self, now: Instant) {
        self.writes.push_back(now);
        if self.writes.len() <= BURST {
            return;
        }
        let first = self.writes.pop_front();
        if first.is_some_and(|first| now.duration_since(first) < WINDOW) {
            self.rests_until = Some(now + SLOW);
        }
    }

    /// Everything went well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Something went wrong.
    pub fn failed(&mut self, now: Instant) {
        let wait = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + wait.min(LAST_RETRY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_is_slowed_down() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            pace.wrote(now);
        }
        assert_eq!(pace.rest(now), Duration::ZERO);
        pace.wrote(now);
        assert_eq!(pace.rest(now), SLOW);
        let later = now + WINDOW;
        pace.wrote(later);
        assert_eq!(pace.rest(later), Duration::ZERO);
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let mut failed = || {
            pace.failed(now);
            pace.rest(now)
        };
        assert_eq!([failed(), failed(), failed()], [1, 2, 4].map(|n| FIRST_RETRY * n));
        assert_eq!((0..40).map(|_| failed()).last(), Some(LAST_RETRY));
        pace.succeeded();
        pace.failed(now);
        assert_eq!(pace.rest(now), FIRST_RETRY);
    }
}
