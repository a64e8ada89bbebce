//! A document of plain text on A4: headings, paragraphs and lists, cut into lines and pages.

mod widths;

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use widths::width;

/// A4, points.
const PAGE: (f32, f32) = (595.0, 842.0);
/// Room around the text, points.
const MARGIN: f32 = 56.0;
/// Height of a line for its size of letters.
const LEADING: f32 = 1.4;
/// Most pages: what is left out is said on the last one.
const MOST_PAGES: usize = 200;
const PLAIN: Name<'static> = Name(b"P");
const BOLD: Name<'static> = Name(b"B");

/// How a paragraph is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    size: f32,
    is_bold: bool,
    /// Distance from the margin, points.
    indent: f32,
    /// Room above it, points.
    above: f32,
}

/// The title of the document.
pub(super) const TITLE: Style = style(20.0, true, 0.0, 0.0);
/// The heading of a part.
pub(super) const HEADING: Style = style(12.0, true, 0.0, 14.0);
/// Text.
pub(super) const TEXT: Style = style(10.0, false, 0.0, 4.0);
/// An item of a list.
pub(super) const ITEM: Style = style(9.0, false, 14.0, 1.0);

const fn style(size: f32, is_bold: bool, indent: f32, above: f32) -> Style {
    Style {
        size,
        is_bold,
        indent,
        above,
    }
}

struct Line {
    text: String,
    style: Style,
    /// From the lower edge of the page, points.
    y: f32,
}

/// A document that grows line by line.
pub(super) struct Paper {
    pages: Vec<Vec<Line>>,
    y: f32,
    left_out: usize,
}

impl Paper {
    pub(super) fn new() -> Self {
        Self {
            pages: vec![Vec::new()],
            y: PAGE.1 - MARGIN,
            left_out: 0,
        }
    }

    /// Adds a paragraph, on as many lines and pages as it needs.
    pub(super) fn add(&mut self, style: Style, text: &str) {
        self.y -= style.above;
        for line in lines(text, style) {
            self.y -= style.size * LEADING;
            if self.y < MARGIN + style.size {
                if self.pages.len() == MOST_PAGES {
                    self.left_out += 1;
                    continue;
                }
                self.pages.push(Vec::new());
                self.y = PAGE.1 - MARGIN - style.size * LEADING;
            }
            let (text, y) = (line, self.y);
            if let Some(page) = self.pages.last_mut() {
                page.push(Line { text, style, y });
            }
        }
    }

    /// Writes it down, with this line at the foot of each page.
    pub(super) fn written(self, title: &str, foot: &str) -> Vec<u8> {
        let mut next = 1;
        let mut fresh = || {
            next += 1;
            Ref::new(next - 1)
        };
        let (catalog, tree, plain, bold) = (fresh(), fresh(), fresh(), fresh());
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
        let info = fresh();
        pdf.document_info(info)
            .title(TextStr(title))
            .producer(TextStr("Kymaros"));
        for (font, name) in [(plain, Name(b"Helvetica")), (bold, Name(b"Helvetica-Bold"))] {
            let mut written = pdf.type1_font(font);
            written
                .base_font(name)
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let count = self.pages.len();
        let ids: Vec<(Ref, Ref)> = self.pages.iter().map(|_| (fresh(), fresh())).collect();
        pdf.pages(tree)
            .kids(ids.iter().map(|(page, _)| *page))
            .count(i32::try_from(count).unwrap_or(i32::MAX));
        for (index, (lines, (page, contents))) in self.pages.iter().zip(ids).enumerate() {
            let mut written = pdf.page(page);
            written
                .media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1))
                .parent(tree)
                .contents(contents);
            written.resources().fonts().pair(PLAIN, plain).pair(BOLD, bold);
            written.finish();
            let mut content = Content::new();
            for line in lines {
                set(&mut content, line);
            }
            let left_out = match self.left_out {
                lines if lines > 0 && index + 1 == count => format!("; {lines} more lines are left out"),
                _ => String::new(),
            };
            let text = format!("{foot} - page {} of {count}{left_out}", index + 1);
            set(
                &mut content,
                &Line {
                    text,
                    style: ITEM,
                    y: MARGIN / 2.0,
                },
            );
            pdf.stream(contents, &content.finish());
        }
        pdf.finish()
    }
}

fn set(content: &mut Content, line: &Line) {
    let font = if line.style.is_bold { BOLD } else { PLAIN };
    content
        .begin_text()
        .set_font(font, line.style.size)
        .next_line(MARGIN + line.style.indent, line.y)
        .show(Str(&encoded(&line.text)))
        .end_text();
}

/// Cuts a text where there is room, between words, and inside of one only when it is longer than a line.
fn lines(text: &str, style: Style) -> Vec<String> {
    let room = PAGE.0 - 2.0 * MARGIN - style.indent;
    let fits = |text: &str| width(text, style.size, style.is_bold) <= room;
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if !fits(&line) {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(c);
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// In the encoding of the standard fonts; a character that they do not have is a question mark.
fn encoded(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match c {
            ' '..='~' | '\u{a0}'..='ÿ' => u8::try_from(u32::from(c)).unwrap_or(b'?'),
            '–' | '—' => 0x96,
            '’' => 0x92,
            '…' => 0x85,
            '•' => 0x95,
            _ => b'?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_page_and_no_word_is_lost() {
        let long = "x".repeat(400);
        let text = format!("a few words {long} and   more of them, {}", "word ".repeat(200));
        for style in [TITLE, HEADING, TEXT, ITEM] {
            let lines = lines(&text, style);
            for line in &lines {
                assert!(
                    width(line, style.size, style.is_bold) <= PAGE.0 - 2.0 * MARGIN - style.indent,
                    "{line}"
                );
            }
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(bare(&lines.join(" ")), bare(&text));
        }
    }

    #[test]
    fn what_does_not_fit_goes_to_the_next_page_and_far_too_much_is_said_to_be_left_out() {
        let mut paper = Paper::new();
        for n in 0..100 {
            paper.add(TEXT, &format!("line {n}"));
        }
        assert!(paper.pages.len() > 1);
        let lowest = paper
            .pages
            .iter()
            .flatten()
            .map(|line| line.y)
            .fold(f32::MAX, f32::min);
        assert!(lowest >= MARGIN, "a line at {lowest}");
        for n in 0..20_000 {
            paper.add(TEXT, &format!("line {n}"));
        }
        assert_eq!(paper.pages.len(), MOST_PAGES);
        let text = String::from_utf8_lossy(&paper.written("t", "f")).into_owned();
        assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
        assert!(text.contains("more lines are left out"));
    }

    #[test]
    fn a_character_without_a_letter_is_no_broken_file() {
        assert_eq!(encoded("a–b…é漢"), b"a\x96b\x85\xe9?");
    }
}
