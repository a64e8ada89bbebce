//! From points and findings to a result, and who is to blame.

use kymaros_crds::{Cause, CheckResult, Finding, FindingLevel, RunResult, Severity};

use super::{Evidence, SourceEvidence, Verdict, startup, unread::is_unread, volumes};
use crate::{reason::FindingReason, velero::results::VolumeInfo};

/// Bands and caps, in this order: 90 and 70 points; a failed check, anything lost that is an error, a `PartiallyFailed`
/// backup, a volume that is left out on purpose or something that could not be read never passes; a failed required
/// check, lost volume data or an empty restore fails; and whatever lost points to the sandbox, with no fault of backup or
/// engine beside it and no workload that could not start anywhere, is inconclusive. With such a fault of backup or engine it
/// fails for lost data alone.
pub(super) fn decide(verdict: &Verdict, evidence: &Evidence<'_>) -> (RunResult, Option<Cause>) {
    let found = || evidence.findings.iter().chain(&verdict.findings);
    let errors: Vec<&Finding> = found().filter(|f| f.severity == Severity::Error).collect();
    let caused_by = |cause: Cause| errors.iter().any(|f| f.cause == cause);
    let cause = main_cause(&errors);

    let missed = missed_claims(evidence);
    let left_out = FindingReason::LeftOutWithJobs.as_str();
    let lacks_something = !missed.is_empty() || verdict.findings.iter().any(|f| f.reason == left_out);
    let is_spoiled = caused_by(Cause::Sandbox) || lacks_something && caused_by(Cause::Application);
    let has_own_fault = evidence.restored() && startup::has_fault_of_its_own(evidence, &missed);
    let proven = caused_by(Cause::Backup) || caused_by(Cause::RestoreEngine) || has_own_fault;
    if is_spoiled && !proven {
        return (RunResult::Inconclusive, Some(Cause::Sandbox));
    }
    // What does not work, or not in time, may be what the sandbox spoiled.
    let counts = !is_spoiled || has_own_fault;
    if is_lost(verdict, &errors) || counts && is_missed(evidence) {
        return (RunResult::Fail, cause);
    }
    let band = match verdict.score() {
        90.. => RunResult::Pass,
        70..=89 => RunResult::Partial,
        // And so may the points that are missing.
        _ if !counts => RunResult::Partial,
        _ => RunResult::Fail,
    };
    let partial_backup = evidence
        .sources
        .iter()
        .any(|s| s.backup.and_then(|b| b.phase.as_deref()) == Some("PartiallyFailed"));
    if band == RunResult::Pass && !partial_backup && errors.is_empty() {
        // What is not known is not proven.
        return match found().find(|f| is_unread(f)) {
            Some(unread) => (RunResult::Partial, Some(unread.cause)),
            None => (RunResult::Pass, cause),
        };
    }
    match band {
        RunResult::Pass => (RunResult::Partial, cause.or(Some(Cause::Backup))),
        other => (other, cause),
    }
}

/// Claims whose data stayed away by labels of the test, or with a pod of a Job whose volume a workload has, too: whoever misses it
/// may fail for that. Mostly such pods have a volume for themselves.
fn missed_claims<'a>(evidence: &'a Evidence<'_>) -> Vec<&'a VolumeInfo> {
    let workloads = || evidence.came.iter().flat_map(|came| &came.workloads);
    let is_missed = |source: &SourceEvidence<'_>, volume: &VolumeInfo| {
        !source.selector.is_empty() || workloads().any(|w| startup::has_claim(w, volume))
    };
    let sources = evidence.sources.iter();
    sources
        .flat_map(|source| volumes::not_filled(source).filter(|volume| is_missed(source, volume)))
        .collect()
}

/// Whether a check that is required did not pass, or the run did not come to its end.
fn is_missed(evidence: &Evidence<'_>) -> bool {
    let mut required = evidence.checks.iter().filter(|c| c.required);
    required.any(|c| c.status != CheckResult::Pass) || evidence.ended_early
}

/// Whether the backup or its restore as a whole is lost, data of a volume is, or nothing came back.
fn is_lost(verdict: &Verdict, errors: &[&Finding]) -> bool {
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
    let empty = errors
        .iter()
        .any(|f| f.reason == nothing && f.cause != Cause::Sandbox);
    let failed = FindingReason::RestoreFailed.as_str();
    let as_a_whole = errors.iter().any(|f| {
        matches!(f.cause, Cause::Backup | Cause::RestoreEngine)
            && (f.level == FindingLevel::Run || f.reason == failed)
    });
    lost_data || empty || as_a_whole
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
