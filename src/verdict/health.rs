//! Level 4, internal health: the checks.

use kymaros_crds::{Cause, CheckResult, Finding, FindingLevel, Severity};

use super::{Evidence, Level, dependencies};
use crate::reason::FindingReason;

const MAX: u32 = 20;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) -> Level {
    if let Some(policy) = evidence.missing_policy {
        findings.push(Finding {
            level: FindingLevel::InternalHealth,
            severity: Severity::Error,
            cause: Cause::Sandbox,
            reason: FindingReason::PolicyMissing.into(),
            object: Some(format!("HealthCheckPolicy/{policy}")),
            message: format!("the policy {policy} does not exist, so its checks could not be made; apply it"),
        });
    }
    if evidence.expected_checks == 0 {
        return Level::not_tested(MAX, "no checks are configured");
    }
    if evidence.checks.is_empty() {
        return Level::not_tested(MAX, "the run ended before its checks");
    }
    let passed = evidence
        .checks
        .iter()
        .filter(|c| c.status == CheckResult::Pass)
        .count();
    for check in evidence.checks.iter().filter(|c| c.status != CheckResult::Pass) {
        let asks_somebody = !evidence.lookups.contains(&check.name.as_str()) && !check.target_missing;
        let blocked = asks_somebody
            .then(|| dependencies::blocked(evidence, check.namespace.as_deref(), None))
            .flatten();
        let cause = if check.status == CheckResult::Skip || blocked.is_some() {
            Cause::Sandbox
        } else {
            Cause::Application
        };
        let why = blocked.map_or_else(String::new, |name| {
            format!("; {}", dependencies::out_of_reach(name))
        });
        findings.push(Finding {
            level: FindingLevel::InternalHealth,
            severity: Severity::Error,
            cause,
            reason: FindingReason::CheckFailed.into(),
            object: Some(format!("check {}", check.name)),
            message: format!("check {} failed: {}{why}", check.name, check.message),
        });
    }
    let all = evidence.expected_checks;
    let mut level = Level::share(MAX, passed, all, format!("{passed} of {all} checks passed"));
    level.tested = evidence.checks.iter().map(|c| c.name.clone()).collect();
    level
}
