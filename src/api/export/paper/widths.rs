//! How wide the letters of Helvetica are, in thousandths of the size: every reader of PDF has this font, so that none comes
//! along. From the metrics that Adobe publishes for the fourteen standard fonts.

/// From the space to the tilde.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
/// Bold letters are wider, by no more than this.
const BOLD: f32 = 1.12;
/// What is not in the table is taken for as wide as the widest letter.
const WIDEST: u16 = 1015;

/// Width of a text at a size, in points.
pub(super) fn width(text: &str, size: f32, is_bold: bool) -> f32 {
    let of = |c: char| {
        let index = u32::from(c).checked_sub(32).and_then(|n| usize::try_from(n).ok());
        f32::from(index.and_then(|n| WIDTHS.get(n)).copied().unwrap_or(WIDEST))
    };
    let thousandths: f32 = text.chars().map(of).sum();
    thousandths / 1000.0 * size * if is_bold { BOLD } else { 1.0 }
}
