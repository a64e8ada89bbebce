//! Texts of others in pages: markup is escaped, and characters that hide or reorder text are shown as what they are, so
//! that no name can pass for another.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

/// The escaper of every template, see `askama.toml`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_deceptive) {
            let (before, after) = rest.split_at(at);
            Html.write_escaped_str(&mut dest, before)?;
            let mut after = after.chars();
            if let Some(mark) = after.next() {
                write!(dest, "[U+{:04X}]", u32::from(mark))?;
            }
            rest = after.as_str();
        }
        Html.write_escaped_str(&mut dest, rest)
    }
}

/// Control characters but those of plain text, and all that change direction or take no room.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_and_quotes_are_escaped() {
        assert_eq!(escaped(r#"<script>"'&"#), "&#60;script&#62;&#34;&#39;&#38;");
    }

    #[test]
    fn marks_that_hide_or_reorder_are_shown() {
        assert_eq!(escaped("a\u{202e}b<"), "a[U+202E]b&#60;");
        assert_eq!(escaped("\u{200b}"), "[U+200B]");
        assert_eq!(escaped("\0x\u{1b}[0m"), "[U+0000]x[U+001B][0m");
    }

    #[test]
    fn words_of_any_language_stay() {
        for text in ["größe", "שלום", "日本", "line\nline\t", "👍"] {
            assert_eq!(escaped(text), text);
        }
    }
}
