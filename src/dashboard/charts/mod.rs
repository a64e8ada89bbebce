//! Charts as plain figures; templates draw them as SVG.
//!
//! Places along the x axis are percent of the drawing, so that a chart fits any screen without a script and its text
//! stays the size it is; places along the y axis are pixels.

mod days;
mod history;
mod ruler;
mod timeline;

use std::fmt;

pub use days::{Day, Days};
pub use history::{History, Observation};
pub use ruler::{LEVELS, Ruler, in_order};
pub use timeline::Timeline;

/// A share of the width, 0 to 100, written with as many digits as can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

impl Percent {
    /// So many of so many; nothing of nothing.
    #[must_use]
    pub fn of(part: usize, all: usize) -> Self {
        let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
        Self(if all == 0 {
            0.0
        } else {
            number(part) * 100.0 / number(all)
        })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 100.0).round() / 100.0;
        write!(f, "{rounded}%")
    }
}

/// A place in pixels, to a tenth.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Pixels(pub f64);

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_short() {
        assert_eq!(Percent(33.333_333).to_string(), "33.33%");
        assert_eq!(Percent(50.0).to_string(), "50%");
        assert_eq!(Percent::of(1, 4).to_string(), "25%");
        assert_eq!(Percent::of(0, 0).to_string(), "0%");
        assert_eq!(Pixels(12.3456).to_string(), "12.3");
    }
}
