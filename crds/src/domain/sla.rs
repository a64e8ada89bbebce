//! The agreed recovery time.

use std::time::Duration;

use super::{duration, problems::Problems};
use crate::SlaSpec;

/// The agreed recovery time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sla {
    /// The longest acceptable recovery time, from the start of the restore until everything is healthy.
    pub max_rto: Duration,
    /// Tell the receivers of failures when it is exceeded, whatever the result.
    pub alert_on_exceed: bool,
}

impl Sla {
    pub(super) fn parse(spec: &SlaSpec, path: &str, problems: &mut Problems) -> Self {
        let path = format!("{path}.maxRTO");
        let parsed = problems.ok(&path, &spec.max_rto, duration::parse(&spec.max_rto));
        if parsed.is_some_and(|d| d.is_zero()) {
            problems.report(
                &path,
                &spec.max_rto,
                "is zero, which nothing can keep; write for example 15m",
            );
        }
        Self {
            max_rto: parsed.unwrap_or_default(),
            alert_on_exceed: spec.alert_on_exceed,
        }
    }
}
