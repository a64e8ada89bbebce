//! Colours. They are in the text always; whoever writes it to something else than a terminal takes them out.

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};
use kymaros_crds::RunResult;

/// Nothing to worry about.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is lost.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Somebody should look.
pub const DOUBT: Style = AnsiColor::Yellow.on_default();
/// Beside the point.
pub const FAINT: Style = Style::new().effects(Effects::DIMMED);
/// A heading.
pub const HEADING: Style = Style::new().effects(Effects::BOLD);

/// A text in a colour.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The colour of a result.
#[must_use]
pub const fn of_result(result: RunResult) -> Style {
    match result {
        RunResult::Pass => GOOD,
        RunResult::Fail => BAD,
        RunResult::Partial | RunResult::Inconclusive => DOUBT,
    }
}
