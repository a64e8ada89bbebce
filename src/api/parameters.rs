//! Every parameter of a query, once: reading, the documentation and what is said about mistakes are made from it.

use serde_json::{Value, json};

use crate::fleet::{Framework, TestStanding};

/// A parameter of a query.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub takes: Takes,
    /// In one line.
    pub meaning: &'static str,
}

/// What one takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Text,
    Flag,
    Number {
        least: u32,
        /// What makes a difference; more is taken for it, as in 0.6.9.
        most: u32,
    },
    OneOf(fn() -> Vec<&'static str>),
}

impl Takes {
    /// For the documentation.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words() }),
        }
    }

    /// What to write.
    pub(super) fn remedy(self) -> String {
        match self {
            Self::Text => "write a text".to_owned(),
            Self::Flag => "write true or false".to_owned(),
            Self::Number { least, most } => format!("write a whole number from {least} to {most}"),
            Self::OneOf(words) => format!("write one of {}", words().join(", ")),
        }
    }

    pub(super) fn holds(self, number: u32) -> bool {
        matches!(self, Self::Number { least, .. } if number >= least)
    }
}

const fn number(name: &'static str, (least, most): (u32, u32), meaning: &'static str) -> Parameter {
    let takes = Takes::Number { least, most };
    Parameter { name, takes, meaning }
}

const fn text(name: &'static str, meaning: &'static str) -> Parameter {
    let takes = Takes::Text;
    Parameter { name, takes, meaning }
}

const fn flag(name: &'static str, meaning: &'static str) -> Parameter {
    let takes = Takes::Flag;
    Parameter { name, takes, meaning }
}

const fn one_of(name: &'static str, words: fn() -> Vec<&'static str>, meaning: &'static str) -> Parameter {
    let takes = Takes::OneOf(words);
    Parameter { name, takes, meaning }
}

fn frameworks() -> Vec<&'static str> {
    Framework::ALL.map(Framework::as_str).into()
}

fn standings() -> Vec<&'static str> {
    TestStanding::ALL.map(TestStanding::key).into()
}

pub(super) const NAMESPACE: Parameter = text("namespace", "Only this namespace; all of them without it");
pub(super) const CLUSTER: Parameter = text(
    "cluster",
    "Only this cluster, `local` for the one that answers; all of them without it",
);
pub(super) const DAYS_OF_FIGURES: Parameter = number("days", (1, 365), "Days to look back; 7 without it");
pub(super) const HOURS: Parameter = number("hours", (1, u32::MAX), "Hours to look back; 48 without it");

pub(super) const TEST: Parameter = text("test", "Only of tests of this name");
pub(super) const DAYS: Parameter = number(
    "days",
    (0, u32::MAX),
    "Only of the last days; 0 for all, as without it",
);
pub(super) const LATEST: Parameter = flag(
    "latest",
    "true: only the newest of each test; test and days do not count then",
);
pub(super) const RUNNING: Parameter = flag("running", "true: also of runs without a verdict yet");
pub(super) const LIMIT: Parameter = number("limit", (1, u32::MAX), "No more than this many");
/// Of lists of reports.
pub(super) const FILTER: &[Parameter] = &[TEST, DAYS, LATEST, RUNNING, LIMIT];

pub(super) const WORD: Parameter = text(
    "q",
    "Only with this word in their name, their namespace or one that they restore",
);
pub(super) const STATUS: Parameter = one_of("status", standings, "Only those that stand like this");
/// Of lists of tests.
pub(super) const FOUND: &[Parameter] = &[WORD, STATUS];

pub(super) const FRAMEWORK: Parameter = one_of("framework", frameworks, "Who asks; soc2 without it");
pub(super) const PERIOD: Parameter = number("period", (1, u32::MAX), "Days to look back; 90 without it");
/// Of a framework.
pub(super) const COMPLIANCE: &[Parameter] = &[FRAMEWORK, PERIOD];
