//! Every rule about a run: a pure function of a snapshot and the time, one file a phase.
//!
//! Effects are done first and the status is written after them, so a crash in between only does them again; all of
//! them have deterministic names and are idempotent.

mod checking;
mod cleaning_up;
mod completed;
mod escapes;
mod judging;
mod limit;
mod phase_changed;
mod preparing;
mod queued;
mod restoring;
mod size;
pub mod start_over;
mod starting;
mod timeline;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{
    Cause, Finding, FindingLevel, ResolvedBackup, RestoreReportStatus, RunPhase, Severity,
    domain::{Check, LogCollection},
};

use self::limit::Limit;
use super::observed::{Observed, Origin, after};
use crate::{
    checks::Target,
    reason::RunReason,
    sandbox::{leftovers::Leftovers, objects::SandboxPlan},
    velero::restore::RestorePlan,
};

/// Most findings that a report keeps: it stays below 256 KiB with everything else in it.
pub const MAX_FINDINGS: usize = 120;
/// Longest message of a finding, characters.
const MAX_MESSAGE: usize = 500;

/// Something to be done in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make a sandbox with all its fences.
    MakeSandbox(Box<SandboxPlan>),
    /// Fetch what a backup holds, in the background.
    FetchContents {
        /// Which backup source.
        source: usize,
        /// The backup.
        backup: ResolvedBackup,
    },
    /// Forget what the backups hold: they are chosen anew.
    ForgetContents,
    /// List what the source namespaces of a backup hold, in the background.
    FetchSource {
        /// Which backup source.
        source: usize,
        /// The namespaces.
        namespaces: Vec<String>,
    },
    /// Create a Restore.
    CreateRestore(RestorePlan),
    /// Watch the sandboxes.
    Watch(Vec<Target>),
    /// Fetch what a Restore did, in the background.
    FetchOutcome {
        /// Which backup source.
        source: usize,
        /// The Restore.
        restore: String,
        /// The storage location of its backup.
        location: Option<String>,
    },
    /// Look for what is not harmless in the sandboxes of a Restore, in the background.
    LookInto {
        /// Which backup source.
        source: usize,
        /// Its sandboxes.
        sandboxes: Vec<String>,
    },
    /// Look at what a Restore may wait for, in the background.
    FetchDelay {
        /// Which backup source.
        source: usize,
        /// Its backup, when that was read before.
        read: Option<ResolvedBackup>,
        /// The Restore.
        restore: String,
    },
    /// Make checks, in the background; those already under way go on.
    StartChecks {
        /// The checks.
        checks: Vec<Check>,
        /// Where they look.
        targets: Vec<Target>,
    },
    /// Read logs and events of the sandboxes, in the background.
    CollectLogs {
        /// The sandboxes.
        sandboxes: Vec<String>,
        /// What the test asks for.
        wanted: LogCollection,
    },
    /// Stop the data movers of a Restore that is not terminal: Velero's worker waits for them.
    CancelDataMovement(String),
    /// Free a sandbox that somebody deletes of what would keep it or outlive it.
    FreeSandbox(String),
    /// Remove a sandbox with everything in it.
    RemoveSandbox(String),
    /// Take finalizers of other products off the namespace of a sandbox that is going.
    ReleaseSandbox(String),
    /// Remove the run's objects in Velero's namespace.
    RemoveOutside(Leftovers),
}

/// What follows from a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be done, in this order, before the status is written.
    pub effects: Vec<Effect>,
    /// The status as it should be afterwards.
    pub status: RestoreReportStatus,
    /// When to look again even if nothing happens.
    pub wake: Option<Timestamp>,
    /// The run is over and nothing of it is left: the report may go.
    pub release: bool,
}

impl Decision {
    fn phase(&self) -> RunPhase {
        self.status.phase.unwrap_or(RunPhase::Queued)
    }

    fn enter(&mut self, phase: RunPhase, now: Timestamp) {
        if self.status.phase != Some(phase) {
            self.status.phase = Some(phase);
            timeline::enter(&mut self.status, phase, now);
        }
    }

    fn wake_at(&mut self, moment: Timestamp) {
        self.wake = Some(self.wake.map_or(moment, |w| w.min(moment)));
    }

    fn find(&mut self, mut finding: Finding) {
        if let Some((at, _)) = finding.message.char_indices().nth(MAX_MESSAGE) {
            finding.message.truncate(at);
        }
        if self.status.findings.contains(&finding) {
            return;
        }
        if self.status.findings.len() < MAX_FINDINGS {
            self.status.findings.push(finding);
        } else {
            self.status.findings_omitted += 1;
        }
    }

    /// Ends the run early: the reason of the finding is that of the report, and what is known is judged.
    fn end(&mut self, finding: Finding, now: Timestamp) {
        self.status.reason = Some(finding.reason.clone());
        self.find(finding);
        self.enter(RunPhase::Judging, now);
    }
}

/// A finding about the run as a whole.
#[must_use]
pub fn run_error(
    reason: RunReason,
    cause: Cause,
    object: Option<String>,
    message: impl Into<String>,
) -> Finding {
    Finding {
        level: FindingLevel::Run,
        severity: Severity::Error,
        cause,
        reason: reason.into(),
        object,
        message: message.into(),
    }
}

/// Decides what follows.
#[must_use]
pub fn decide(observed: &Observed, now: Timestamp) -> Decision {
    let mut decision = Decision {
        effects: Vec::new(),
        status: observed.status.clone(),
        wake: None,
        release: false,
    };
    if observed.deleting && observed.has_finalizer {
        cleaning_up::abandon(observed, &mut decision, now);
        return decision;
    }
    if decision.status.phase.is_none() && observed.origin == Origin::Stray {
        stray(observed, &mut decision);
        return decision;
    }
    if decision.status.phase.is_none() {
        decision.enter(RunPhase::Queued, now);
    }
    let settings = match &observed.settings {
        Ok(settings) => settings.as_ref(),
        Err(reason) => {
            unreadable(observed, &mut decision, reason, now);
            return decision;
        }
    };
    if !matches!(decision.phase(), RunPhase::Queued | RunPhase::Completed) {
        // Somebody who edits reports by hand takes no limit from a run.
        decision.status.started_at.get_or_insert(Time(now));
    }
    if let Some(escape) = escapes::find(observed, settings, &decision) {
        decision.end(escape, now);
    }
    if let Some((limit, at)) = Limit::passed(settings, &decision, now) {
        limit.end(observed, &mut decision, at, now);
    }
    if let (Some(obstacle), RunPhase::Preparing | RunPhase::Restoring) =
        (&observed.obstacle, decision.phase())
    {
        let finding = run_error(obstacle.reason, Cause::Sandbox, None, obstacle.message.clone());
        decision.end(finding, now);
    }
    lost_sandbox(observed, &mut decision, now);
    let needs_restores = match decision.phase() {
        RunPhase::Starting | RunPhase::Checking => true,
        RunPhase::Judging => decision.status.reason.is_none(),
        _ => false,
    };
    if needs_restores {
        if let Some(name) = restoring::vanished(observed) {
            restoring::deleted(&mut decision, &name, now);
        } else if !restoring::all_ended(observed, settings, &decision) {
            phase_changed::end(&mut decision, now);
            return decision;
        }
    }
    match decision.phase() {
        RunPhase::Queued => queued::decide(observed, &mut decision, now),
        RunPhase::Preparing => preparing::decide(observed, settings, &mut decision, now),
        RunPhase::Restoring => restoring::decide(observed, settings, &mut decision, now),
        RunPhase::Starting => starting::decide(observed, settings, &mut decision, now),
        RunPhase::Checking => checking::decide(observed, settings, &mut decision, now),
        RunPhase::Judging => judging::decide(observed, settings, &mut decision, now),
        RunPhase::CleaningUp => cleaning_up::decide(observed, &mut decision, now),
        RunPhase::Completed => completed::decide(observed, settings, &mut decision, now),
    }
    if let Some(limit) = Limit::next(settings, &decision) {
        // One that has passed waits for what is being asked; that wakes the run by itself.
        decision.wake_at(limit.max(after(now, Duration::from_secs(1))));
    }
    decision
}

/// A report that no test made: a copy, or one that came back from a backup, which keeps neither its status nor whose it
/// is. Whatever it told is told no more, and no run is made of it.
fn stray(observed: &Observed, decision: &mut Decision) {
    let message = "no test made this report: it is a copy, or came back from a backup; nothing is run for it, and it can be deleted";
    decision.status.phase = Some(RunPhase::Completed);
    decision.status.message = Some(message.to_owned());
    decision.release = observed.has_finalizer;
}

/// A sandbox that somebody deletes says nothing about the backup, and takes our rights in it along: what could hold it is
/// taken off at once.
fn lost_sandbox(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    let Some(first) = observed.going.first() else {
        return;
    };
    let free = observed.going.iter().cloned().map(Effect::FreeSandbox);
    decision.effects.extend(free);
    match decision.phase() {
        RunPhase::Preparing
        | RunPhase::Restoring
        | RunPhase::Starting
        | RunPhase::Checking
        | RunPhase::Judging
            if decision.status.reason.is_none() =>
        {
            let message = format!("sandbox {first} was deleted by somebody while the run went on");
            let object = Some(format!("Namespace/{first}"));
            let finding = run_error(RunReason::SandboxDeleted, Cause::Sandbox, object, message);
            decision.end(finding, now);
        }
        RunPhase::Completed => decision.enter(RunPhase::CleaningUp, now),
        _ => {}
    }
}

/// A run whose own frozen spec cannot be read says nothing about a backup. It ends, and cleans up whatever it made.
fn unreadable(observed: &Observed, decision: &mut Decision, reason: &str, now: Timestamp) {
    match decision.phase() {
        RunPhase::CleaningUp => cleaning_up::decide(observed, decision, now),
        // How long they were to be kept cannot be read either.
        RunPhase::Completed if completed::keeps_sandboxes(observed) => {
            decision.enter(RunPhase::CleaningUp, now);
        }
        RunPhase::Completed => completed::over(observed, decision, now),
        _ => {
            decision.status.reason = Some(RunReason::InvalidSpec.into());
            decision.find(run_error(
                RunReason::InvalidSpec,
                Cause::Unknown,
                None,
                format!("the spec cannot be read: {reason}"),
            ));
            judging::inconclusive(decision, Cause::Unknown, now);
        }
    }
}
