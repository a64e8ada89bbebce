//! What is wrong with a spec.

use std::fmt;

use thiserror::Error;

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct Invalid(pub Vec<FieldError>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct FieldError {
    /// Where it is, such as `spec.schedule.cron`.
    pub path: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}: {}", self.path, self.value, self.message)
    }
}
