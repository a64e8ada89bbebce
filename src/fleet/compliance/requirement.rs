//! Something that a framework asks, and whether it is met.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// By all that there is.
    Met,
    /// Not by something.
    NotMet,
    /// There is nothing to hold it against.
    NoData,
}

/// Something that a framework asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// Where it stands in the framework.
    pub id: &'static str,
    /// What it asks.
    pub title: &'static str,
    /// Whether it is met.
    pub standing: Standing,
    /// How many meet it.
    pub met: usize,
    /// Of how many.
    pub of: usize,
    /// That in words.
    pub figure: String,
    /// Those that do not meet it; at most 100.
    pub open: Vec<String>,
}

/// Most names in [`Requirement::open`].
const MOST_OPEN: usize = 100;

impl Requirement {
    /// Held against named things, each with whether it meets it; `what` they are, such as "tests ran in this period".
    pub(super) fn of<N: Display>(
        id: &'static str,
        title: &'static str,
        what: &str,
        all: impl IntoIterator<Item = (N, bool)>,
    ) -> Self {
        let (mut met, mut of, mut open) = (0, 0, Vec::new());
        for (name, meets) in all {
            of += 1;
            met += usize::from(meets);
            if !meets && open.len() < MOST_OPEN {
                open.push(name.to_string());
            }
        }
        Self {
            id,
            title,
            standing: match (of, of - met) {
                (0, _) => Standing::NoData,
                (_, 0) => Standing::Met,
                _ => Standing::NotMet,
            },
            met,
            of,
            figure: format!("{met} of {of} {what}"),
            open,
        }
    }
}
