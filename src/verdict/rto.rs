//! Level 6, RTO compliance: the measured recovery time against the agreed one.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::{Cause, Finding, FindingLevel, Severity, domain};

use super::{Evidence, Level};
use crate::reason::FindingReason;

/// From the Restore's start to the moment the last workload was ready and the last check first passed: timestamps of
/// the API server and of the checks, so a restart of the operator changes nothing.
pub(super) fn measured(evidence: &Evidence<'_>) -> Option<Duration> {
    let started = evidence.sources.iter().filter_map(|s| s.restore?.started).min()?;
    let came = evidence.came.filter(|_| evidence.restored())?;
    if !came.all_ready() || !evidence.absent.is_empty() {
        return None;
    }
    let restored = evidence.sources.iter().filter_map(|s| s.restore?.completed).max();
    let checked = evidence
        .checks
        .iter()
        .filter_map(|c| c.passed_at.as_ref())
        .map(|t| t.0)
        .max();
    let end: Timestamp = [restored, came.last_ready(), checked]
        .into_iter()
        .flatten()
        .max()?;
    let millis = u64::try_from(end.duration_since(started).as_millis()).ok()?;
    Some(Duration::from_millis(millis))
}

pub(super) fn judge(evidence: &Evidence<'_>, rto: Option<Duration>, findings: &mut Vec<Finding>) -> Level {
    const MAX: u32 = 5;
    let Some(measured) = rto else {
        return Level::not_tested(MAX, "the application did not come up, so there is no RTO");
    };
    let shown = domain::duration::format(measured);
    match evidence.max_rto {
        None => Level::share(MAX, 1, 1, format!("{shown}; no SLA is set")),
        Some(max) if measured <= max => Level::share(
            MAX,
            1,
            1,
            format!("{shown}, within {}", domain::duration::format(max)),
        ),
        Some(max) => {
            let message = format!(
                "RTO {shown} is more than the agreed {}",
                domain::duration::format(max)
            );
            findings.push(Finding {
                level: FindingLevel::RtoCompliance,
                severity: if evidence.alert_on_exceed {
                    Severity::Warning
                } else {
                    Severity::Info
                },
                cause: Cause::Application,
                reason: FindingReason::RTOExceeded.into(),
                object: None,
                message: message.clone(),
            });
            Level::share(MAX, 0, 1, message)
        }
    }
}
