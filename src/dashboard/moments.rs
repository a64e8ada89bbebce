//! Times and durations as people read them. Every moment is shown as UTC, with its age beside it.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::domain::duration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment, ready for a `<time>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For programs: RFC 3339, whole seconds.
    pub exact: String,
    /// For people: `2026-03-01 02:00 UTC`.
    pub utc: String,
    /// Seen from now: `3 h ago`, `in 2 d`.
    pub relative: String,
}

impl Moment {
    /// A moment as seen from now.
    #[must_use]
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self {
            exact: whole.to_string(),
            utc: at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            relative: relative(at, now),
        }
    }
}

/// How far away a moment is: `3 h ago`, `in 2 d`, `now`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second());
    if seconds.abs() < 5 {
        return "now".to_owned();
    }
    let span = coarse(seconds.abs());
    if seconds < 0 {
        format!("{span} ago")
    } else {
        format!("in {span}")
    }
}

/// One unit, rounded down, as ages are: nothing is older than it is.
fn coarse(seconds: i64) -> String {
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

/// A duration in the two largest units that say something: `1 h 5 min`, `4 min 10 s`, `7.3 s`, `120 ms`.
#[must_use]
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 if length.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", length.as_millis()),
        1..=59 => {
            let tenths = length.as_millis() / 100;
            match tenths % 10 {
                0 => format!("{} s", tenths / 10),
                rest => format!("{}.{rest} s", tenths / 10),
            }
        }
        60..=3599 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..=172_799 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

fn two(first: u64, unit: &str, second: u64, smaller: &str) -> String {
    match second {
        0 => format!("{first} {unit}"),
        _ => format!("{first} {unit} {second} {smaller}"),
    }
}

/// A stored duration as [`span`] writes it; what is no duration stays as it is.
#[must_use]
pub fn stored_span(text: &str) -> String {
    duration::parse(text).map_or_else(|_| text.to_owned(), span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_seen_from_now() {
        let now = at("2026-03-10T12:00:00Z");
        for (moment, said) in [
            ("2026-03-10T12:00:03Z", "now"),
            ("2026-03-10T11:59:30Z", "30 s ago"),
            ("2026-03-10T11:00:01Z", "59 min ago"),
            ("2026-03-09T12:00:00Z", "24 h ago"),
            ("2026-03-08T12:00:00Z", "2 d ago"),
            ("2026-03-10T14:59:59Z", "in 2 h"),
            ("2027-03-10T12:00:00Z", "in 365 d"),
        ] {
            assert_eq!(relative(at(moment), now), said, "{moment}");
        }
        let moment = Moment::of(at("2026-03-10T11:00:00.5Z"), now);
        assert_eq!(moment.exact, "2026-03-10T11:00:00Z");
        assert_eq!(moment.utc, "2026-03-10 11:00 UTC");
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (milliseconds, said) in [
            (0, "0 s"),
            (120, "120 ms"),
            (7_349, "7.3 s"),
            (12_000, "12 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min"),
            (250_000, "4 min 10 s"),
            (3_600_000, "1 h"),
            (3_905_000, "1 h 5 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), said);
        }
    }

    #[test]
    fn what_is_no_duration_stays_as_it_is() {
        assert_eq!(stored_span("1m30s"), "1 min 30 s");
        assert_eq!(stored_span("soon"), "soon");
    }
}
