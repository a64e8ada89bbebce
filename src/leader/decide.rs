//! What a contender does next: a plain function of what it has seen and of its own monotonic clock.

use std::time::Duration;

use super::Timing;

/// The Lease as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// There is none.
    Absent,
    /// There is one; an empty holder has given it back.
    Lease {
        /// Its holder.
        holder: String,
        /// Its `resourceVersion`.
        version: String,
    },
}

/// What a contender knows. Times count from the start of its process.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub identity: String,
    pub timing: Timing,
    pub seen: Seen,
    /// What was seen may be out of date: it is looked at before anything else.
    pub must_look: bool,
    /// When the Lease was last seen to be another than before.
    pub changed_at: Duration,
    /// Somebody else has held the Lease, as far as we saw: its absence may be somebody's mistake, and that holder may
    /// still act.
    pub was_held: bool,
    /// While leading: when the last write that succeeded was begun.
    pub renewed_at: Option<Duration>,
    /// No attempt before this moment: the last one failed.
    pub not_before: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at the Lease.
    Look,
    /// Write it as ours: for the first time, or again.
    Write,
    /// Nothing before this moment, unless the Lease changes.
    Wait(Duration),
    /// We lead no longer.
    StepDown,
}

impl View {
    pub(super) fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            seen: Seen::Absent,
            must_look: true,
            changed_at: Duration::ZERO,
            was_held: false,
            renewed_at: None,
            not_before: Duration::ZERO,
        }
    }

    /// Takes note of the Lease.
    pub(super) fn look(&mut self, seen: Seen, now: Duration) {
        self.must_look = false;
        self.not_before = Duration::ZERO;
        if self.seen == seen {
            return;
        }
        if let Seen::Lease { holder, .. } = &seen {
            self.was_held |= !holder.is_empty() && *holder != self.identity;
            // Given back on purpose: whoever held it acts no more.
            self.was_held &= !holder.is_empty();
        }
        self.seen = seen;
        self.changed_at = now;
    }

    /// A write that was begun then has succeeded.
    pub(super) fn wrote(&mut self, begun: Duration, seen: Seen, now: Duration) {
        self.look(seen, now);
        self.renewed_at = Some(begun);
    }

    /// An attempt failed: the next one waits, and looks first.
    pub(super) fn failed(&mut self, now: Duration) {
        self.not_before = now + self.timing.retry;
        self.must_look = true;
    }

    fn is_ours(&self) -> bool {
        matches!(&self.seen, Seen::Lease { holder, .. } if *holder == self.identity)
    }
}

/// Decides.
pub(super) fn decide(view: &View, now: Duration) -> Action {
    match view.renewed_at {
        Some(renewed) => while_leading(view, renewed, now),
        None => while_waiting(view, now),
    }
}

fn while_leading(view: &View, renewed: Duration, now: Duration) -> Action {
    let last = renewed + view.timing.renew_deadline;
    if now >= last {
        return Action::StepDown;
    }
    if now < view.not_before {
        return Action::Wait(view.not_before.min(last));
    }
    match &view.seen {
        _ if view.must_look => Action::Look,
        // Deleted by somebody: made again at once, before anybody else may take it.
        Seen::Absent => Action::Write,
        Seen::Lease { .. } if !view.is_ours() => Action::StepDown,
        Seen::Lease { .. } => {
            let next = renewed + view.timing.retry;
            if now >= next {
                Action::Write
            } else {
                Action::Wait(next)
            }
        }
    }
}

fn while_waiting(view: &View, now: Duration) -> Action {
    if now < view.not_before {
        return Action::Wait(view.not_before);
    }
    let free_at = match &view.seen {
        _ if view.must_look => return Action::Look,
        Seen::Absent if view.was_held => view.changed_at + view.timing.duration,
        Seen::Absent => now,
        // Given back, or a write of our own whose answer was lost.
        Seen::Lease { holder, .. } if holder.is_empty() || view.is_ours() => now,
        Seen::Lease { .. } => view.changed_at + view.timing.duration,
    };
    if now >= free_at {
        Action::Write
    } else {
        Action::Wait(free_at)
    }
}
