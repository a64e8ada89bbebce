//! What a healthy application looks like.

use std::time::Duration;

use super::{
    check::{self, Check},
    duration, name,
    problems::{Problems, set},
    sandbox::LIFE,
};
use crate::HealthChecksSpec;

/// What a healthy application looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The `HealthCheckPolicy` in the test's namespace.
    pub policy: Option<String>,
    /// How long start-up and checks may take together, from the end of the restore; 10 minutes by default.
    pub timeout: Duration,
    /// How long workloads must stay ready; 10 seconds by default.
    pub settle: Duration,
    /// The test's own checks.
    pub checks: Vec<Check>,
}

impl Health {
    const TIMEOUT: Duration = Duration::from_mins(10);
    const SETTLE: Duration = Duration::from_secs(10);

    pub(super) fn parse(spec: Option<&HealthChecksSpec>, path: &str, problems: &mut Problems) -> Self {
        let unset = HealthChecksSpec::default();
        let spec = spec.unwrap_or(&unset);
        let policy = set(spec.policy_ref.as_deref());
        if let Some(policy) = policy {
            problems.ok(&format!("{path}.policyRef"), policy, name::subdomain(policy));
        }
        let timeout = problems.duration(
            &format!("{path}.timeout"),
            spec.timeout.as_deref(),
            LIFE.0,
            LIFE.1,
        );
        // Zero means something here: nothing is waited for.
        let given = set(spec.settle.as_deref());
        let settle = match given.map(duration::parse) {
            Some(Ok(Duration::ZERO)) => Some(Duration::ZERO),
            _ => problems.duration(&format!("{path}.settle"), given, Duration::ZERO, LIFE.1),
        };
        Self {
            policy: policy.map(str::to_owned),
            timeout: timeout.unwrap_or(Self::TIMEOUT),
            settle: settle.unwrap_or(Self::SETTLE),
            checks: check::parse_into(&spec.checks, &format!("{path}.checks"), problems),
        }
    }
}
