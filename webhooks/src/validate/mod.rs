//! Whether a `RestoreTest` or a `HealthCheckPolicy` is valid, and what is legal but unwise about it.
//!
//! Three looks at an object, each of which finds everything at once: at its *shape*, which the schema gives; at its
//! *meaning*, which the [domain types](kymaros_crds::domain) decide; and at what is [`Known`] beyond it. The webhook and
//! `kymaros lint` differ in the last one only.

mod advice;
mod known;
mod metadata;
mod shape;
mod surroundings;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use kymaros_crds::{
    HealthCheckPolicySpec, RestoreTestSpec,
    domain::{FieldError, Invalid, Test, parse_checks},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use known::{
    Home, Known, Licensed, NamespaceState, OtherTest, PolicyState, TestName, Unchecked, Usage, used,
};

/// Longest value that is repeated in an error, characters.
const MAX_VALUE: usize = 100;
/// Longest message of an error, characters: it may repeat a value too.
const MAX_MESSAGE: usize = 500;
/// Longest warning with its path, characters, as the API server asks for.
const MAX_WARNING: usize = 120;

/// What is to be said about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong; empty when the object is admitted.
    pub errors: Vec<FieldError>,
    /// What is legal but unwise.
    pub warnings: Vec<Warning>,
    /// What could not be known; nothing was refused for it.
    pub unchecked: BTreeSet<Unchecked>,
}

/// Something legal but unwise. Its text with the path has at most 120 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is, such as `spec.healthChecks`.
    pub path: String,
    /// What may come of it and what to write instead.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The kinds that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `RestoreTest`.
    RestoreTest,
    /// `HealthCheckPolicy`.
    HealthCheckPolicy,
}

impl Kind {
    /// As in a manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestoreTest => "RestoreTest",
            Self::HealthCheckPolicy => "HealthCheckPolicy",
        }
    }
}

/// Judges an object that is to be stored, whole and as JSON; `old` is the one it replaces.
#[must_use]
pub fn validate(kind: Kind, object: &Value, old: Option<&Value>, known: &dyn Known) -> Verdict {
    if is_settled(object, old) {
        return Verdict::default();
    }
    let mut verdict = Verdict::default();
    let shape = shape::check(kind, object);
    let judged = match kind {
        Kind::RestoreTest => restore_test(&shape.readable, old, known, &mut verdict),
        Kind::HealthCheckPolicy => health_check_policy(&shape.readable, &mut verdict),
    };
    let meaning = judged.err().map(|invalid| invalid.0).unwrap_or_default();
    // One error for a field: what it means comes before what is around it.
    verdict
        .errors
        .retain(|error| meaning.iter().all(|said| said.path != error.path));
    let mut errors = metadata::check(&shape.readable);
    errors.append(&mut verdict.errors);
    errors.extend(meaning);
    verdict.errors = shape.with(errors).iter().map(shortened).collect();
    verdict
}

/// Nothing may stand in the way of a deletion, or of a change of what is not ours to judge: finalizers, labels, status.
/// Without this, an object that was stored under older rules could neither be finalized nor go.
fn is_settled(object: &Value, old: Option<&Value>) -> bool {
    let is_going = !object["metadata"]["deletionTimestamp"].is_null();
    old.is_some_and(|old| is_going || old["spec"] == object["spec"])
}

fn restore_test(
    readable: &Value,
    old: Option<&Value>,
    known: &dyn Known,
    verdict: &mut Verdict,
) -> Result<(), Invalid> {
    let spec: RestoreTestSpec = read(readable)?;
    let me = name(readable);
    surroundings::check(&spec, &me, old, known, verdict);
    let test = Test::try_from(&spec)?;
    advice::on_test(&spec, &test, &me, known, verdict);
    Ok(())
}

fn health_check_policy(readable: &Value, verdict: &mut Verdict) -> Result<(), Invalid> {
    let spec: HealthCheckPolicySpec = read(readable)?;
    let checks = parse_checks(&spec.checks, "spec.checks")?;
    advice::on_policy(&checks, verdict);
    Ok(())
}

/// Reads the spec of an object whose shape was mended, which cannot fail unless schema and types disagree.
fn read<T: DeserializeOwned>(readable: &Value) -> Result<T, Invalid> {
    T::deserialize(&readable["spec"]).map_err(|error| {
        let (path, value, message) = (
            "spec".to_owned(),
            String::new(),
            format!("cannot be read: {error}"),
        );
        Invalid(vec![FieldError { path, value, message }])
    })
}

fn name(readable: &Value) -> TestName {
    let text = |field: &str| {
        readable["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    TestName {
        namespace: text("namespace"),
        name: text("name"),
    }
}

/// What people wrote may be of any length.
fn shortened(error: &FieldError) -> FieldError {
    FieldError {
        value: cut(&error.value, MAX_VALUE),
        message: cut(&error.message, MAX_MESSAGE),
        path: cut(&error.path, MAX_MESSAGE),
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{start}…")
}

impl Verdict {
    fn refuse(&mut self, path: impl Into<String>, value: impl Into<String>, message: impl Into<String>) {
        let (path, value, message) = (path.into(), value.into(), message.into());
        self.errors.push(FieldError { path, value, message });
    }

    fn warn(&mut self, path: &str, message: &str) {
        let room = MAX_WARNING.saturating_sub(path.len() + 2);
        self.warnings.push(Warning {
            path: path.to_owned(),
            message: cut(message, room),
        });
    }

    /// Takes a fact, or notes that it is not known.
    fn ask<T>(&mut self, what: Unchecked, fact: Option<T>) -> Option<T> {
        if fact.is_none() {
            self.unchecked.insert(what);
        }
        fact
    }
}
