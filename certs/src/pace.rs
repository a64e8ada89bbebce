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
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Counts writes and failures.
#[derive(Debug, Default)]
pub struct Pace {
    writes: VecDeque<Instant>,
    failures: u32,
}

impl Pace {
    /// Something was written: how long to rest before the next time.
    pub fn wrote(&mut self, now: Instant) -> Duration {
        self.writes.push_back(now);
        if self.writes.len() <= BURST {
            return Duration::ZERO;
        }
        let first = self.writes.pop_front();
        let is_fast = first.is_some_and(|first| now.duration_since(first) < WINDOW);
        if is_fast { SLOW } else { Duration::ZERO }
    }

    /// Everything went well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Something went wrong: when to try again.
    pub fn failed(&mut self) -> Duration {
        let wait = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        wait.min(LAST_RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_is_slowed_down() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(pace.wrote(now), Duration::ZERO);
        }
        assert_eq!(pace.wrote(now), SLOW);
        assert_eq!(pace.wrote(now + WINDOW), Duration::ZERO);
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..40).map(|_| pace.failed()).collect();
        assert_eq!(waits[..3], [FIRST_RETRY, FIRST_RETRY * 2, FIRST_RETRY * 4]);
        assert_eq!(waits[39], LAST_RETRY);
        pace.succeeded();
        assert_eq!(pace.failed(), FIRST_RETRY);
    }
}
