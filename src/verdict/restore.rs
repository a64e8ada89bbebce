//! Level 1, restore integrity: the Restore's own errors by cause, and volume data.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{Evidence, Level, SourceEvidence, blame, operations, unread::unread, volumes};
use crate::{
    reason::FindingReason,
    run::observed::{Came, RestoreSeen},
    velero::restore::RestorePhase,
};

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
                let lost = lost(source, evidence.came, findings);
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
fn lost(source: &SourceEvidence<'_>, came: Option<&Came>, findings: &mut Vec<Finding>) -> usize {
    let mut lost = 0;
    let undone = operations::undone(source);
    let errors = source.outcome.into_iter().flat_map(|o| o.results.errors.all());
    let messages: Vec<&str> = errors
        .filter(|message| !operations::repeats(message, &undone))
        .collect();
    for message in &messages {
        let cause = source.blame(message);
        if cause != Cause::Sandbox {
            lost += 1;
        }
        let said = format!("Velero reports: {}", shorten(message));
        let refused = source.refused_pod(message);
        let is_remade = refused.is_some_and(|(namespace, pod)| source.is_remade(came, namespace, &pod));
        findings.push(if is_remade {
            remade(cause, &said)
        } else {
            error(FindingReason::RestoreError, cause, None, said)
        });
    }
    lost += operations::lost(source, &undone, findings);
    lost += unexplained(source, messages.len(), undone.len(), findings);
    lost + volumes::lost(source, findings)
}

/// Good to know, and nothing is missing.
fn remade(cause: Cause, said: &str) -> Finding {
    Finding {
        severity: Severity::Info,
        ..error(
            FindingReason::RestoreError,
            cause,
            None,
            format!("{said}; its controller made another in its place"),
        )
    }
}

/// Errors that Velero counts, and of which neither a message nor an item operation tells.
fn unexplained(
    source: &SourceEvidence<'_>,
    messages: usize,
    undone: usize,
    findings: &mut Vec<Finding>,
) -> usize {
    let is_partial = |restore: &&RestoreSeen| restore.phase == RestorePhase::PartiallyFailed;
    let Some(restore) = source.restore.filter(is_partial) else {
        return 0;
    };
    let counted = usize::try_from(restore.errors.max(1)).unwrap_or(1);
    let is_unread = source.outcome.is_some_and(|o| o.operations.is_none());
    let operations = if is_unread {
        operations::told_by_movers(source)
    } else {
        undone
    };
    let untold = counted.saturating_sub(messages + operations);
    if untold == 0 {
        return 0;
    }
    if messages == 0 {
        let which = match operations {
            0 => "whose text cannot be read".to_owned(),
            _ => format!("and the text of {untold} cannot be read"),
        };
        let message = format!("the restore ended PartiallyFailed with {counted} errors, {which}");
        findings.push(error(FindingReason::RestoreError, Cause::Unknown, None, message));
        return untold;
    }
    if is_unread {
        let what = format!("why {untold} operations of Velero's plugins failed: their list cannot be read");
        findings.push(unread(&what));
    }
    0
}

pub(super) fn error(reason: FindingReason, cause: Cause, object: Option<String>, message: String) -> Finding {
    Finding {
        level: FindingLevel::RestoreIntegrity,
        severity: Severity::Error,
        cause,
        reason: reason.into(),
        object,
        message,
    }
}

pub(super) fn shorten(message: &str) -> String {
    message.chars().take(400).collect()
}
