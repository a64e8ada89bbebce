//! What of the sandbox's logs and events goes into the report.

use super::problems::Problems;
use crate::LogCollectionSpec;

/// What of the sandbox's logs and events goes into the report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the API")]
pub struct LogCollection {
    /// Anything at all. Reports hold metadata only unless the test asks for more.
    pub enabled: bool,
    /// Last lines of each container.
    pub max_lines: u32,
    /// Events of the sandbox.
    pub include_events: bool,
    /// Init containers.
    pub include_init: bool,
    /// The try before the last restart.
    pub include_previous: bool,
}

impl LogCollection {
    /// Default and limits of 0.6.9, lines.
    const MAX_LINES: i32 = 100;

    pub(super) fn parse(spec: Option<&LogCollectionSpec>, path: &str, problems: &mut Problems) -> Self {
        let given = spec.cloned().unwrap_or_default();
        let lines = given.max_lines.unwrap_or(Self::MAX_LINES);
        if !(10..=1000).contains(&lines) {
            problems.report(&format!("{path}.maxLines"), lines, "must be between 10 and 1000");
        }
        Self {
            enabled: spec.is_some() && given.enabled.unwrap_or(true),
            max_lines: u32::try_from(lines).unwrap_or_default(),
            include_events: given.include_events.unwrap_or(true),
            include_init: given.include_init.unwrap_or(true),
            include_previous: given.include_previous.unwrap_or(true),
        }
    }
}
