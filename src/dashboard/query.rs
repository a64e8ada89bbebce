//! Query strings and forms, read leniently: a page has an answer for every address.

use form_urlencoded::Serializer;

/// Longest text that is searched for; names have 253 characters.
const MOST: usize = 253;

/// The pairs of a query string or of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `a=b&c=d`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).take(64);
        Self(
            pairs
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a key that says something.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The same, as a number in a range.
    #[must_use]
    pub fn number(&self, key: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let number = self.get(key)?.parse().ok()?;
        range.contains(&number).then_some(number)
    }

    /// The same, cut to what can be a name.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        Some(self.get(key)?.chars().take(MOST).collect())
    }
}

/// Writes a query string with its question mark; nothing when there are no pairs.
#[must_use]
pub fn write(pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut out = Serializer::for_suffix("?".to_owned(), 1);
    out.extend_pairs(pairs);
    out.finish()
}

/// A part of a path, escaped so that it stays one part.
#[must_use]
pub fn segment(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let pairs = Pairs::parse(b"q=a%20b&page=2&days=many&empty=&q=second");
        assert_eq!(pairs.text("q").as_deref(), Some("a b"));
        assert_eq!(pairs.number("page", 1..=9), Some(2));
        assert_eq!(pairs.number("page", 3..=9), None);
        assert_eq!(pairs.number("days", 1..=9), None);
        assert_eq!(pairs.get("empty"), None);
        let long = format!("q={}", "x".repeat(5000));
        assert_eq!(
            Pairs::parse(long.as_bytes()).text("q").map(|q| q.len()),
            Some(MOST)
        );
    }

    #[test]
    fn a_part_of_a_path_stays_one_part() {
        assert_eq!(segment("shop.v1-2"), "shop.v1-2");
        assert_eq!(segment("../a?b#c\"<"), "..%2Fa%3Fb%23c%22%3C");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in "\\PC{0,40}") {
            let written = write(&[("q", &value)]);
            let read = Pairs::parse(&written.as_bytes()[1..]);
            prop_assert_eq!(read.get("q").unwrap_or_default(), value.trim());
        }
    }
}
