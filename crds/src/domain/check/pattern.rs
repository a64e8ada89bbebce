//! A regular expression that people wrote.

use std::fmt;

use regex_automata::meta;

/// Memory that a compiled regular expression may take, bytes.
const MAX_SIZE: usize = 1 << 20;

/// A compiled regular expression, in the syntax of the `regex` crate. Matching takes time in proportion to the text,
/// whatever the expression.
///
/// It is made without the tables that speed up long searches: admission compiles it only to see whether it compiles, and
/// a check looks once at 64 KiB.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    compiled: meta::Regex,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, to be read after the field's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let small = meta::Config::new()
            .nfa_size_limit(Some(MAX_SIZE))
            .dfa(false)
            .onepass(false);
        meta::Builder::new()
            .configure(small)
            .build(text)
            .map(|compiled| Self {
                text: text.to_owned(),
                compiled,
            })
            .map_err(|error| wrong(&error))
    }

    /// Whether it matches somewhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

/// Errors of syntax are drawn over several lines; the last one says what is wrong.
fn wrong(error: &meta::BuildError) -> String {
    if error.size_limit().is_some() {
        return "is too large a regular expression; repeat less, or write [0-9a-z_] instead of \\w"
            .to_owned();
    }
    let text = error
        .syntax_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    let last = text.lines().last().unwrap_or_default();
    format!(
        "is not a regular expression: {}",
        last.trim_start_matches("error: ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_means_what_the_regex_crate_makes_of_it() {
        for text in [
            "^1$",
            "(?i)ok",
            r"\d+ rows",
            "^$",
            "a{2,3}b",
            r"\bready\b",
            "(?m)^up$",
            "\\p{Greek}",
        ] {
            let pattern = Pattern::parse(text).unwrap();
            let peer = regex::Regex::new(text).unwrap();
            for output in [
                "1",
                "12 rows",
                "OK\n",
                "",
                "aaab",
                "not ready.",
                "down\nup\n",
                "α",
            ] {
                assert_eq!(
                    pattern.is_match(output),
                    peer.is_match(output),
                    "{text} on {output:?}"
                );
            }
        }
    }

    #[test]
    fn what_does_not_compile_says_why() {
        for (text, why) in [
            ("(", "unclosed group"),
            ("a**(?<", "unclosed"),
            (r"\w{900}", "too large"),
            ("[b-a]", "range"),
        ] {
            let said = Pattern::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
