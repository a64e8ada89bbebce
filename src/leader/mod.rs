//! Which of several replicas acts. Every replica watches and serves admission; only the holder of a Lease runs the
//! controllers.
//!
//! Two are never leaders at once, whatever their clocks say: a leader steps down when it has not renewed for
//! [`Timing::renew_deadline`], by its own monotonic clock and counted from *before* the last write that succeeded, and
//! others take over only when they have not seen the Lease change for the longer [`Timing::duration`], by theirs.

mod contend;
mod decide;
mod lease;
#[cfg(test)]
mod tests;

pub use contend::contend;

use std::time::Duration;

/// One contender for a Lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Who this is; no other process, and no earlier one of the same pod, may have the same.
    pub identity: String,
    /// How fast things go.
    pub timing: Timing,
}

/// How fast a Lease is renewed and lost. With the defaults a leader that was killed is
/// followed within ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait after the Lease last changed.
    pub duration: Duration,
    /// How long a leader goes on without a successful renewal; shorter than `duration`.
    pub renew_deadline: Duration,
    /// How long between renewals, and between attempts that failed.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(8),
            renew_deadline: Duration::from_secs(5),
            retry: Duration::from_secs(1),
        }
    }
}
