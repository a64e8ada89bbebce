//! From points and findings to a result, and who is to blame.

use kymaros_crds::{Cause, Finding, FindingLevel, RunResult, Severity};

use super::{Evidence, Verdict, startup, unread::is_unread};
use crate::reason::FindingReason;

/// Bands and caps, in this order: 90 and 70 points; a failed check, anything lost that is an error, a `PartiallyFailed`
/// backup, a volume that is left out on purpose or something that could not be read never passes; a failed required
/// check, lost volume data or an empty restore fails; and whatever lost points to the sandbox, with no fault of backup or
/// engine beside it and no workload that could not start anywhere, is inconclusive.
pub(super) fn decide(verdict: &Verdict, evidence: &Evidence<'_>) -> (RunResult, Option<Cause>) {
    let errors: Vec<&Finding> = evidence
        .findings
        .iter()
        .chain(&verdict.findings)
        .filter(|f| f.severity == Severity::Error)
        .collect();
    let caused_by = |cause: Cause| errors.iter().any(|f| f.cause == cause);
    let cause = main_cause(&errors);

    // Whoever misses its data may fail for that.
    let not_filled = FindingReason::VolumeNotFilled.as_str();
    let misses_data = evidence
        .findings
        .iter()
        .chain(&verdict.findings)
        .any(|f| f.reason == not_filled);
    let is_spoiled = caused_by(Cause::Sandbox) || misses_data && caused_by(Cause::Application);
    let proven = caused_by(Cause::Backup)
        || caused_by(Cause::RestoreEngine)
        || evidence.restored() && startup::has_fault_of_its_own(evidence);
    if is_spoiled && !proven {
        return (RunResult::Inconclusive, Some(Cause::Sandbox));
    }
    if fails(verdict, evidence, &errors) {
        return (RunResult::Fail, cause);
    }
    let band = match verdict.score() {
        90.. => RunResult::Pass,
        70..=89 => RunResult::Partial,
        // What the sandbox took as well fails nobody.
        _ if is_spoiled => RunResult::Partial,
        _ => RunResult::Fail,
    };
    let partial_backup = evidence
        .sources
        .iter()
        .any(|s| s.backup.and_then(|b| b.phase.as_deref()) == Some("PartiallyFailed"));
    if band == RunResult::Pass && !partial_backup && errors.is_empty() {
        // What is not known is not proven.
        let mut found = evidence.findings.iter().chain(&verdict.findings);
        return match found.find(|f| is_unread(f)) {
            Some(unread) => (RunResult::Partial, Some(unread.cause)),
            None => (RunResult::Pass, cause),
        };
    }
    match band {
        RunResult::Pass => (RunResult::Partial, cause.or(Some(Cause::Backup))),
        other => (other, cause),
    }
}

fn fails(verdict: &Verdict, evidence: &Evidence<'_>, errors: &[&Finding]) -> bool {
    let required = evidence
        .checks
        .iter()
        .any(|c| c.required && c.status != kymaros_crds::CheckResult::Pass);
    let lost_data = verdict.findings.iter().any(|f| {
        matches!(
            f.level,
            FindingLevel::RestoreIntegrity | FindingLevel::Completeness
        ) && matches!(f.cause, Cause::Backup | Cause::RestoreEngine)
            && f.reason != FindingReason::VolumeLeftOut.as_str()
            && f.object
                .as_deref()
                .is_some_and(|o| o.starts_with("PersistentVolumeClaim/"))
    });
    let nothing = FindingReason::NothingRestored.as_str();
    let empty = errors.iter().any(|f| f.reason == nothing);
    required || lost_data || empty || evidence.ended_early
}

/// Backup and engine come first: they are what a test is about.
fn main_cause(errors: &[&Finding]) -> Option<Cause> {
    [
        Cause::Backup,
        Cause::RestoreEngine,
        Cause::Application,
        Cause::Sandbox,
        Cause::Unknown,
    ]
    .into_iter()
    .find(|cause| errors.iter().any(|f| f.cause == *cause))
}
