//! Tables on a terminal: columns as wide as their widest cell.

use anstyle::Style;
use jiff::Timestamp;

use crate::report::{
    plain,
    style::{FAINT, HEADING, paint},
};

/// A cell and its colour.
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        let text = plain(&text.into());
        Self { text, style }
    }

    /// What there is, or a dash.
    pub(super) fn or_none(text: Option<String>) -> Self {
        text.map_or_else(|| Self::styled("–", FAINT), Self::new)
    }
}

/// Renders a table; every row has a cell for each heading.
pub(super) fn table(headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.text.chars().count());
        cells
            .chain(headings.get(column).map(|h| h.chars().count()))
            .max()
            .unwrap_or_default()
    };
    let heads: Vec<Cell> = headings.iter().map(|h| Cell::styled(*h, HEADING)).collect();
    let mut out = String::new();
    for row in std::iter::once(&heads).chain(rows) {
        let last = row.len().saturating_sub(1);
        for (column, cell) in row.iter().enumerate() {
            out += &paint(cell.style, &cell.text);
            if column < last {
                let gap = width(column) - cell.text.chars().count() + 2;
                out.extend(std::iter::repeat_n(' ', gap));
            }
        }
        out.push('\n');
    }
    out
}

/// A span of time as kubectl writes it: roughly, in one unit.
pub(super) fn roughly(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec![Cell::new("shop"), Cell::or_none(None)],
            vec![Cell::new("a-long\u{7}name"), Cell::new("x")],
        ];
        let text = anstream::adapter::strip_str(&table(&["NAME", "B"], &rows)).to_string();
        assert_eq!(text, "NAME         B\nshop         –\na-long name  x\n");
    }

    #[test]
    fn spans_are_in_one_unit() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let spans = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|s| roughly(at(0), at(s)));
        assert_eq!(spans, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
