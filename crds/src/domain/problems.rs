//! Collects what is wrong while a spec is parsed.

use std::{fmt::Display, time::Duration};

use super::{
    duration,
    invalid::{FieldError, Invalid},
};

/// What was found wrong so far.
///
/// A parser that meets an error reports it here and goes on with a stand-in, so that one pass finds everything; the
/// stand-ins are never seen, because [`Problems::finish`] refuses the result.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<FieldError>);

impl Problems {
    pub(super) fn report(&mut self, path: &str, value: impl Display, message: impl Display) {
        let (path, value, message) = (path.to_owned(), value.to_string(), message.to_string());
        self.0.push(FieldError { path, value, message });
    }

    /// Takes over the errors of a part, under the path of that part.
    pub(super) fn adopt(&mut self, path: &str, invalid: Invalid) {
        self.0.extend(invalid.0.into_iter().map(|e| FieldError {
            path: format!("{path}.{}", e.path),
            ..e
        }));
    }

    /// The value of a result; an error is reported.
    pub(super) fn ok<T, E: Display>(&mut self, path: &str, value: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.report(path, value, error)).ok()
    }

    /// A duration between two bounds. Nothing, no text and zero are all "not set".
    pub(super) fn duration(
        &mut self,
        path: &str,
        raw: Option<&str>,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        let raw = set(raw)?;
        let parsed = self
            .ok(path, raw, duration::parse(raw))
            .filter(|d| !d.is_zero())?;
        if (least..=most).contains(&parsed) {
            return Some(parsed);
        }
        let (least, most) = (duration::format(least), duration::format(most));
        self.report(path, raw, format!("must be between {least} and {most}"));
        None
    }

    /// The result, if nothing was wrong.
    pub(super) fn finish<T>(self, result: Option<T>) -> Result<T, Invalid> {
        match result {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Invalid(self.0)),
        }
    }
}

/// A text that is there and not empty: Go clients write an empty text for "not set".
pub(super) fn set(raw: Option<&str>) -> Option<&str> {
    raw.map(str::trim).filter(|text| !text.is_empty())
}
