//! The two limits on the life of a run: its timeout, and the TTL of its sandboxes.

use jiff::Timestamp;
use kymaros_crds::{Cause, RunPhase};

use super::{Decision, Effect, judging, run_error, start_over};
use crate::{
    reason::RunReason,
    run::observed::{Fetched, Observed, RestoreSeen, Settings, after},
    velero::{movers::Mover, restore::RestorePhase},
};

/// The two limits on the life of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    TimedOut,
    SandboxExpired,
}

impl Limit {
    fn times(settings: &Settings, decision: &Decision) -> Option<[(Self, Timestamp); 2]> {
        let started = decision.status.started_at.as_ref()?.0;
        let left = settings
            .test
            .timeout
            .saturating_sub(start_over::spent(&decision.status));
        Some([
            (Self::SandboxExpired, after(started, settings.test.sandbox.ttl)),
            (Self::TimedOut, after(started, left)),
        ])
    }

    fn applies(decision: &Decision) -> bool {
        use RunPhase::{Checking, CleaningUp, Preparing, Restoring, Starting};
        match decision.phase() {
            Preparing | Restoring | Starting | Checking => true,
            CleaningUp => start_over::is_pending(decision),
            _ => false,
        }
    }

    /// The limit that has passed, and when it did.
    pub(super) fn passed(
        settings: &Settings,
        decision: &Decision,
        now: Timestamp,
    ) -> Option<(Self, Timestamp)> {
        let times = Self::applies(decision)
            .then(|| Self::times(settings, decision))
            .flatten()?;
        times.into_iter().find(|(_, at)| now >= *at)
    }

    pub(super) fn next(settings: &Settings, decision: &Decision) -> Option<Timestamp> {
        let times = Self::applies(decision)
            .then(|| Self::times(settings, decision))
            .flatten()?;
        times.into_iter().map(|(_, at)| at).min()
    }

    fn is_cut_short(self, decision: &Decision) -> bool {
        self == Self::TimedOut && !start_over::spent(&decision.status).is_zero()
    }

    /// Ends the run; the limit passed at `at`.
    pub(super) fn end(self, observed: &Observed, decision: &mut Decision, at: Timestamp, now: Timestamp) {
        let is_unseen = observed.watched_since.is_none_or(|since| since >= at);
        let phase = decision.phase();
        let (cause, doing) = match phase {
            RunPhase::Preparing => (Cause::Sandbox, "the sandboxes were being prepared"),
            RunPhase::CleaningUp => (Cause::Sandbox, "a disturbed try was being removed"),
            RunPhase::Restoring => match held_up(observed, at) {
                Some(held_up) => held_up,
                None => return ask_for_delays(observed, decision),
            },
            // It had less time than it was given, and what took the rest was not the application.
            RunPhase::Starting | RunPhase::Checking if self.is_cut_short(decision) => (
                Cause::Sandbox,
                "the try after a disturbed one was still looked at",
            ),
            // What came up meanwhile nobody saw, and nobody is accused of it.
            RunPhase::Starting | RunPhase::Checking if is_unseen => {
                (Cause::Unknown, "no operator was there to look at the workloads")
            }
            RunPhase::Starting => (Cause::Application, "workloads were still starting"),
            _ => (Cause::Application, "checks were still being made"),
        };
        let (reason, what) = match self {
            Self::TimedOut => (RunReason::TimedOut, "the timeout of the run passed"),
            Self::SandboxExpired => (RunReason::SandboxExpired, "the TTL of the sandbox passed"),
        };
        let finding = run_error(reason, cause, None, format!("{what} while {doing}"));
        if phase == RunPhase::CleaningUp {
            // Cleanup goes on; there is just no other try after it.
            decision.status.reason = Some(reason.into());
            decision.find(finding);
            judging::without_evidence(decision, cause, now);
        } else {
            decision.end(finding, now);
        }
    }
}

/// What a Restore was held up by when the limit passed at `at`; `None` until that is known.
fn held_up(observed: &Observed, at: Timestamp) -> Option<(Cause, &'static str)> {
    // One that Velero refused has no end.
    let was_over = |r: &RestoreSeen| r.phase.is_terminal() && r.completed.is_none_or(|end| end <= at);
    if observed.restores.iter().all(|r| r.as_ref().is_some_and(was_over)) {
        return Some((Cause::Unknown, "what came of the restore had yet to be looked at"));
    }
    // One after the other: this one was to come next, or is at work.
    let mut restores = observed.restores.iter().map(|r| r.as_ref().map(|r| r.phase));
    let current = restores.find(|phase| !phase.is_some_and(RestorePhase::is_terminal));
    if matches!(current, Some(None | Some(RestorePhase::New))) {
        return Some((Cause::Sandbox, "Velero had not taken up the restore"));
    }
    if observed.velero_is_down {
        return Some((Cause::Sandbox, "Velero was restoring, and is down"));
    }
    if observed.delays.iter().any(Fetched::is_pending) {
        return None;
    }
    let delays = || observed.delays.iter().filter_map(Fetched::get);
    Some(if delays().any(|delay| delay.storage_is_away) {
        let why = "Velero was restoring, and the storage of the backup did not answer any more";
        (Cause::Sandbox, why)
    } else if delays().flat_map(|delay| &delay.movers).any(Mover::never_began) {
        let why = "no node agent of Velero had taken up the data of its volumes";
        (Cause::Sandbox, why)
    } else {
        (Cause::RestoreEngine, "Velero was still restoring")
    })
}

/// A Velero that is slow is told from one whose node agents or whose storage are away.
fn ask_for_delays(observed: &Observed, decision: &mut Decision) {
    for source in 0..observed.restores.len() {
        // Once it was planned it could be read, whichever process did that.
        let sources = &decision.status.sources;
        let backup = sources.get(source).filter(|backup| backup.planned == Some(true));
        decision.effects.push(Effect::FetchDelay {
            source,
            read: backup.cloned(),
            restore: observed.identity.restore(source),
        });
    }
}
