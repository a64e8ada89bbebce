//! Level 6, RTO compliance: the measured recovery time against the agreed one.

use std::time::Duration;

use jiff::Timestamp;
use kymaros_crds::{Cause, CheckResult, CheckStatus, Finding, FindingLevel, Severity, domain};

use super::{Evidence, Level};
use crate::{reason::FindingReason, run::observed::Came};

/// How long the recovery took: exactly, unless nobody looked when its last check first passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// It was not over earlier.
    pub at_least: Duration,
    /// It was over by then.
    pub at_most: Duration,
}

impl Recovery {
    /// What is told of it; nothing when it cannot be said whether it kept what was agreed.
    pub(super) fn told(self, agreed: Option<Duration>) -> Option<Duration> {
        let is_open = agreed.is_some_and(|max| self.at_least <= max && max < self.at_most);
        (!is_open).then_some(self.at_most)
    }
}

/// From the Restore's start to the moment the last workload was ready and the last check first passed: timestamps of
/// the API server and of the checks, so a restart of the operator changes nothing. Where one of them never came, nothing
/// was recovered.
pub(super) fn measured(evidence: &Evidence<'_>) -> Option<Recovery> {
    let started = evidence.sources.iter().filter_map(|s| s.restore?.started).min()?;
    let came = evidence.came.filter(|_| evidence.restored())?;
    let are_checked = evidence.checks.len() >= evidence.expected_checks && failed_check(evidence).is_none();
    if !came.all_ready() || !evidence.absent.is_empty() || !are_checked {
        return None;
    }
    let restored = evidence.sources.iter().filter_map(|s| s.restore?.completed).max();
    let took = |checks: &[&CheckStatus]| {
        let passed = checks.iter().filter_map(|c| c.passed_at.as_ref()).map(|t| t.0);
        let moments = [restored, came.last_ready()].into_iter().flatten();
        let end: Timestamp = moments.chain(passed).max()?;
        let millis = u64::try_from(end.duration_since(started).as_millis()).ok()?;
        Some(Duration::from_millis(millis))
    };
    let all = evidence.checks.iter();
    let (mut checks, unseen): (Vec<_>, Vec<_>) = all.partition(|c| !c.may_have_passed_before);
    let at_least = took(&checks);
    checks.extend(unseen);
    let at_most = took(&checks)?;
    Some(Recovery {
        at_least: at_least.unwrap_or_default(),
        at_most,
    })
}

fn failed_check<'a>(evidence: &Evidence<'a>) -> Option<&'a CheckStatus> {
    evidence.checks.iter().find(|c| c.status != CheckResult::Pass)
}

pub(super) fn judge(evidence: &Evidence<'_>, rto: Option<Recovery>, findings: &mut Vec<Finding>) -> Level {
    const MAX: u32 = 5;
    let Some(recovery) = rto else {
        let came_up = evidence.came.is_some_and(Came::all_ready) && evidence.absent.is_empty();
        if came_up && evidence.restored() {
            let why = match failed_check(evidence) {
                Some(check) => format!("check {} did not pass, so there is no RTO", check.name),
                None => "the run ended before its checks, so there is no RTO".to_owned(),
            };
            return match evidence.max_rto {
                // Nothing was agreed that could be missed.
                None => Level::share(MAX, 1, 1, format!("{why}; no SLA is set")),
                Some(_) => Level::not_tested(MAX, &why),
            };
        }
        return Level::not_tested(MAX, "the application did not come up, so there is no RTO");
    };
    let mut shown = domain::duration::format(recovery.at_most);
    if recovery.at_least < recovery.at_most {
        let least = domain::duration::format(recovery.at_least);
        shown = format!("{least} to {shown} (no operator looked when the last check first passed)");
    }
    let Some(measured) = recovery.told(evidence.max_rto) else {
        return Level::not_tested(
            MAX,
            &format!("{shown}, so it is not known whether it was too long"),
        );
    };
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
