//! The day a license ends.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use thiserror::Error;

/// A text that is not a day.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expires is not a day; write it as 2027-12-31, or nothing for a license without an end")]
pub struct InvalidExpiry;

/// The last moment of a license: 00:00 UTC of the day named, as in 0.6.0. No text: it does not end.
pub(super) fn parse(text: &str) -> Result<Option<Timestamp>, InvalidExpiry> {
    if text.is_empty() {
        return Ok(None);
    }
    // The date library takes more forms, which no other reader of this Secret knows.
    let is_plain = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let day: Date = text.parse().ok().filter(|_| is_plain).ok_or(InvalidExpiry)?;
    let midnight = day.to_zoned(TimeZone::UTC).map_err(|_| InvalidExpiry)?;
    Ok(Some(midnight.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_its_first_moment_in_utc() {
        let midnight = "2027-12-31T00:00:00Z".parse().unwrap();
        assert_eq!(parse("2027-12-31"), Ok(Some(midnight)));
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn other_texts_are_no_days() {
        for text in [
            "never",
            "2027-13-01",
            "2027-02-30",
            "20271231",
            "2027-12-31\n",
            " 2027-12-31",
            "31-12-2027",
            "2027-12-31T00:00:00Z",
            "+027-12-31",
            "2027-1-1",
        ] {
            assert_eq!(parse(text), Err(InvalidExpiry), "{text:?}");
        }
    }
}
