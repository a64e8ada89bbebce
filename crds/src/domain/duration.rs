//! Durations as Go writes them, which is how Kubernetes and 0.6.9 do: `90s`, `1h30m`, `1.5h`, `500ms`.

use std::{fmt::Write, time::Duration};

use thiserror::Error;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Longest duration that Go, and so every other reader of these objects, can hold: about 292 years.
pub const MAX: Duration = Duration::from_nanos(i64::MAX.cast_unsigned());

/// Why a text is not a duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidDuration {
    /// There is a number without a unit.
    #[error("has a number without a unit; write {0}s, {0}m or {0}h")]
    NoUnit(String),
    /// The unit is not known.
    #[error("has the unknown unit {unit:?}; {instead}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// What to write.
        instead: String,
    },
    /// It is below zero.
    #[error("is negative; write it without the minus")]
    Negative,
    /// It is longer than [`MAX`].
    #[error("is too long; about 292 years is the most")]
    TooLong,
    /// It is something else.
    #[error("is not a duration; write for example 90s, 30m or 1h30m")]
    Malformed,
}

/// Reads a duration.
///
/// # Errors
/// [`InvalidDuration`] says what to write instead.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    if text.starts_with('-') {
        return Err(InvalidDuration::Negative);
    }
    // The one number that needs no unit.
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(InvalidDuration::Malformed);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(InvalidDuration::Malformed);
        }
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number = rest.split_at(rest.len() - after.len() - unit.len()).0;
        let unit = nanoseconds(unit, number)?;
        total = element(whole, fraction, unit)
            .and_then(|value| total.checked_add(value))
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or(InvalidDuration::TooLong)?;
        rest = after;
    }
    Ok(Duration::from_nanos(total))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Nanoseconds in a unit; micro has two signs that look alike, and Go knows both.
fn nanoseconds(unit: &str, number: &str) -> Result<u64, InvalidDuration> {
    let instead = match unit {
        "ns" => return Ok(NANOSECOND),
        "us" | "µs" | "μs" => return Ok(MICROSECOND),
        "ms" => return Ok(MILLISECOND),
        "s" => return Ok(SECOND),
        "m" => return Ok(MINUTE),
        "h" => return Ok(HOUR),
        "" => return Err(InvalidDuration::NoUnit(number.to_owned())),
        "d" | "w" => {
            let days = if unit == "w" { 7 } else { 1 };
            let hours = number.parse().ok().and_then(|n: u64| n.checked_mul(24 * days));
            hours.map(|hours| format!("write {hours}h"))
        }
        _ => None,
    };
    let instead = instead.unwrap_or_else(|| "the units are ns, us, ms, s, m and h".to_owned());
    Err(InvalidDuration::UnknownUnit {
        unit: unit.to_owned(),
        instead,
    })
}

/// One number with its unit, in nanoseconds. What is finer than a nanosecond is dropped, as in Go.
fn element(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // 18 digits are finer than a nanosecond even of an hour.
    let mut part: u128 = 0;
    let mut scale: u128 = 1;
    for digit in fraction.bytes().take(18) {
        part = part * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    let part = part.checked_mul(u128::from(unit))? / scale;
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// Writes a duration so that [`parse`] gives it back exactly: `96h`, `1h30m`, `12.345s`, `500ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let unit = |n: u64| u128::from(n);
    if nanoseconds < unit(MICROSECOND) {
        return format!("{nanoseconds}ns");
    }
    if nanoseconds < unit(MILLISECOND) {
        return decimal(nanoseconds, unit(MICROSECOND), "us");
    }
    if nanoseconds < unit(SECOND) {
        return decimal(nanoseconds, unit(MILLISECOND), "ms");
    }
    let (hours, rest) = (nanoseconds / unit(HOUR), nanoseconds % unit(HOUR));
    let (minutes, rest) = (rest / unit(MINUTE), rest % unit(MINUTE));
    let mut text = String::new();
    if hours > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{hours}h");
    }
    if minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    if rest > 0 {
        text.push_str(&decimal(rest, unit(SECOND), "s"));
    }
    text
}

/// A number of units with as many decimals as it needs.
fn decimal(nanoseconds: u128, unit: u128, suffix: &str) -> String {
    let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
    if rest == 0 {
        return format!("{whole}{suffix}");
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}{suffix}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5 * SECOND),
            ("90s", 90 * SECOND),
            ("1h30m", 90 * MINUTE),
            ("1.5h", 90 * MINUTE),
            (".5s", 500 * MILLISECOND),
            ("5.s", 5 * SECOND),
            ("500ms", 500 * MILLISECOND),
            ("1us1µs1μs", 3 * MICROSECOND),
            ("0.1ns", 0),
            ("0.333333333333333333333333333333333333s", 333_333_333),
            (
                "1h1m1s1ms1us1ns",
                HOUR + MINUTE + SECOND + MILLISECOND + MICROSECOND + NANOSECOND,
            ),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        assert_eq!(parse("9223372036854775807ns"), Ok(MAX));
    }

    #[test]
    fn says_what_to_write_instead() {
        for (text, said) in [
            ("", "30m"),
            ("30", "30m"),
            ("1h30", "30m"),
            ("1.5", "1.5h"),
            ("7d", "168h"),
            ("2w", "336h"),
            ("5min", "the units are"),
            ("-1h", "negative"),
            ("tomorrow", "write for example"),
            (".h", "write for example"),
            ("1h 30m", "unknown unit"),
            ("9223372036854775808ns", "too long"),
            ("99999999999999999999h", "too long"),
            ("300000000h", "too long"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn writes_the_shortest_form() {
        for (seconds, text) in [
            (0, "0s"),
            (96 * 3600, "96h"),
            (5400, "1h30m"),
            (61, "1m1s"),
            (3601, "1h1s"),
        ] {
            assert_eq!(format(Duration::from_secs(seconds)), text);
        }
        for (nanoseconds, text) in [
            (1, "1ns"),
            (1_500, "1.5us"),
            (500_000_000, "500ms"),
            (1_050_000, "1.05ms"),
            (12_345_000_000, "12.345s"),
            (60_000_000_001, "1m0.000000001s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanoseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanoseconds in 0..=i64::MAX.cast_unsigned()) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
