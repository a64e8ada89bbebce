//! Level 1, restore integrity: the Restore's own errors by cause, and volume data.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{Evidence, Level, SourceEvidence, blame, volumes};
use crate::{reason::FindingReason, velero::restore::RestorePhase};

const MAX: u32 = 25;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) -> Level {
    let (mut good, mut all) = (0, 0);
    let mut details = Vec::new();
    let mut any = false;
    for source in &evidence.sources {
        let Some(restore) = source.restore else { continue };
        any = true;
        let backup = source.backup.map_or("", |b| b.name.as_str());
        if source.backup.and_then(|b| b.phase.as_deref()) == Some("PartiallyFailed") {
            findings.push(Finding {
                level: FindingLevel::RestoreIntegrity,
                severity: Severity::Warning,
                cause: Cause::Backup,
                reason: FindingReason::PartialBackup.into(),
                object: Some(format!("Backup/{backup}")),
                message: format!("backup {backup} is itself PartiallyFailed: something is missing in it"),
            });
        }
        match restore.phase {
            RestorePhase::FailedValidation | RestorePhase::Failed => {
                let reason = restore
                    .reason
                    .clone()
                    .unwrap_or_else(|| "Velero gives no reason".to_owned());
                let cause = blame::of_failure(&reason);
                let message = format!(
                    "the restore of backup {backup} ended as {}: {reason}",
                    restore.phase_text
                );
                let object = Some(format!("Backup/{backup}"));
                findings.push(error(FindingReason::RestoreFailed, cause, object, message));
                all += 1;
            }
            RestorePhase::Completed | RestorePhase::PartiallyFailed => {
                let lost = lost(source, findings);
                let total = total(source).max(lost).max(1);
                all += total;
                good += total - lost;
                details.push(format!("restore of {backup} {}", restore.phase_text));
            }
            RestorePhase::New | RestorePhase::InProgress | RestorePhase::Finishing => all += 1,
        }
    }
    if !any {
        return Level::not_tested(MAX, "nothing was restored");
    }
    Level::share(MAX, good, all, details.join("; "))
}

/// Items and volumes that the Restore was to bring back.
fn total(source: &SourceEvidence<'_>) -> usize {
    let restored = source.outcome.map_or(0, |o| {
        o.restored
            .objects
            .values()
            .map(std::collections::BTreeMap::len)
            .sum()
    });
    let counted = source
        .restore
        .and_then(|r| r.progress)
        .map_or(0, |(_, all)| usize::try_from(all).unwrap_or(0));
    restored.max(counted)
}

/// How many things were lost with the backup or the restore engine to blame; each becomes a finding.
fn lost(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let mut lost = 0;
    let messages: Vec<&str> = source
        .outcome
        .map(|o| o.results.errors.all().collect())
        .unwrap_or_default();
    for message in &messages {
        let cause = source.blame(message);
        if cause != Cause::Sandbox {
            lost += 1;
        }
        let said = format!("Velero reports: {}", shorten(message));
        findings.push(error(FindingReason::RestoreError, cause, None, said));
    }
    let is_partial = source
        .restore
        .is_some_and(|r| r.phase == RestorePhase::PartiallyFailed);
    if messages.is_empty() && is_partial {
        let counted = source.restore.map_or(1, |r| r.errors).max(1);
        lost += usize::try_from(counted).unwrap_or(1);
        let message =
            format!("the restore ended PartiallyFailed with {counted} errors, whose text cannot be read");
        findings.push(error(FindingReason::RestoreError, Cause::Unknown, None, message));
    }
    lost + volumes::lost(source, findings)
}

fn error(reason: FindingReason, cause: Cause, object: Option<String>, message: String) -> Finding {
    Finding {
        level: FindingLevel::RestoreIntegrity,
        severity: Severity::Error,
        cause,
        reason: reason.into(),
        object,
        message,
    }
}

fn shorten(message: &str) -> String {
    message.chars().take(400).collect()
}
