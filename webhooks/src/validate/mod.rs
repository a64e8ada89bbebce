//! Whether a `RestoreTest` or a `HealthCheckPolicy` is valid, and what is legal but unwise about it.

use kymaros_crds::domain::FieldError;

/// What is to be said about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong; empty when the object is admitted.
    pub errors: Vec<FieldError>,
    /// What is legal but unwise.
    pub warnings: Vec<Warning>,
}

/// Something legal but unwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is, such as `spec.healthChecks`.
    pub path: String,
    /// What may come of it and what to write instead; at most 120 characters, as the API server asks for.
    pub message: String,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Known;
