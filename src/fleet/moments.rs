//! Times and durations as clients of 0.6.9 read them.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::domain::duration;

/// RFC 3339 in whole seconds, UTC.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    // Lists have thousands of them, and a format string takes many times as long.
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// The same, and an empty text for none, as 0.6.9 wrote it.
pub(super) fn moment_or_empty(at: Option<Timestamp>) -> String {
    at.map(moment).unwrap_or_default()
}

/// A duration for people: in whole seconds from one second on.
#[must_use]
pub fn duration_text(of: Duration) -> String {
    if of < Duration::from_secs(1) {
        return duration::format(Duration::from_millis(
            u64::try_from(of.as_millis()).unwrap_or_default(),
        ));
    }
    let seconds = of.as_secs() + u64::from(of.subsec_millis() >= 500);
    duration::format(Duration::from_secs(seconds))
}

/// How long ago a moment was; nothing for one to come.
pub(super) fn ago(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_whole_seconds() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(moment(at), "2026-01-02T03:04:05Z");
        assert_eq!(moment_or_empty(None), "");
        for (milliseconds, text) in [(250, "250ms"), (1_499, "1s"), (1_500, "2s"), (90_000, "1m30s")] {
            assert_eq!(duration_text(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn what_is_to_come_has_no_age() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(ago(now, now - hour), Duration::from_hours(1));
        assert_eq!(ago(now, now + hour), Duration::ZERO);
    }
}
