//! What could not be read: without it a run proves less than it should, and says so.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::Evidence;
use crate::reason::FindingReason;

/// A finding that something could not be told.
pub(super) fn unread(what: &str) -> Finding {
    Finding {
        level: FindingLevel::Run,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: FindingReason::NotRead.into(),
        object: None,
        message: format!("it is not known {what}"),
    }
}

/// Whether a finding is of this kind, or says that the source, a sandbox, the data of a volume or an object was not looked at;
/// the result is capped by it.
pub(super) fn is_unread(finding: &Finding) -> bool {
    let unread = [
        FindingReason::NotRead,
        FindingReason::SourceNotListed,
        FindingReason::SandboxNotListed,
        FindingReason::VolumeNotFilled,
        FindingReason::LeftOutWithJobs,
    ];
    unread.iter().any(|reason| finding.reason == reason.as_str())
}

/// Lists of Velero that could not be had: its own counts are used in their place.
pub(super) fn lists(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) {
    for source in &evidence.sources {
        let backup = source.backup.map_or("", |b| b.name.as_str());
        let unread_list = |what: &str, and: &str, reason: &str| {
            let instead = "so Velero's own counts are used";
            unread(&format!(
                "{what} backup {backup}, object by object{and}, {instead}: {reason}"
            ))
        };
        let [contents, outcome] = source.unavailable;
        findings.extend(contents.map(|reason| unread_list("what is in", "", reason)));
        let planned = ", nor whether all of that was planned";
        findings.extend(outcome.map(|reason| unread_list("what came back of", planned, reason)));
    }
}
