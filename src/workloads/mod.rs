//! What came up in the sandboxes: each workload with its wanted and ready count, and why it does not start.

mod alone;
pub mod assess;
mod config_maps;
mod controllers;
pub mod crash_loops;
mod homes;
pub mod made_there;
pub mod moments;
pub mod outside;
pub mod pods;
pub mod references;
mod specs;
mod warnings;
pub mod watch;

pub use warnings::last_said;

use std::collections::BTreeSet;

use jiff::Timestamp;
use kymaros_crds::Cause;

/// One restored workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The source namespace it came from.
    pub source: String,
    /// `Kind/name`.
    pub object: String,
    /// Pods it should have.
    pub wanted: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Where it stands.
    pub state: WorkloadState,
    /// Restarts of its containers so far.
    pub restarts: i32,
    /// The most that one container of one pod has of them.
    pub most_restarts: i32,
    /// When those of its containers that have crashed will have lived longer than before their last crash: not before
    /// that is being ready a sign of health.
    pub outlives: Option<Timestamp>,
    /// One of its pods does not start before Velero has filled a volume of it, which it has not yet.
    pub awaits_data: bool,
    /// Names of the volume claims of its pods.
    pub claims: BTreeSet<String>,
}

/// Where a workload stands.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadState {
    /// Everything it wants is ready, the last of it since this moment (API timestamp; `None`: nothing to wait for).
    Ready(Option<Timestamp>),
    /// It may still come.
    Pending(Trouble),
    /// It crashes again and again, perhaps only because it needs another workload that is still starting.
    Crashing {
        /// How it crashes.
        trouble: Trouble,
        /// When its last try began.
        tried: Option<Timestamp>,
    },
    /// It ran and ended badly, and nothing is left that it may wait for: the network of its sandbox may be why.
    Crashed(Trouble),
    /// It cannot even begin, whatever one waits.
    Hopeless(Trouble),
}

/// Why a workload is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Who is to blame.
    pub cause: Cause,
    /// One sentence.
    pub message: String,
    /// A missing object that explains it, as kind and name.
    pub missing: Option<(String, String)>,
    /// Whether no network would have changed it.
    pub local: bool,
}

impl Trouble {
    /// A trouble that no missing object explains.
    #[must_use]
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            missing: None,
            local: false,
        }
    }

    /// A trouble of the application's own; `local`: whether no network would have changed it.
    #[must_use]
    pub fn of_application(local: bool, message: impl Into<String>) -> Self {
        Self {
            local,
            ..Self::new(Cause::Application, message)
        }
    }
}

impl Workload {
    /// Whether it reached its wanted count.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, WorkloadState::Ready(_))
    }

    /// Why it is not ready.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        use WorkloadState::{Crashed, Crashing, Hopeless, Pending, Ready};
        match &self.state {
            Ready(_) => None,
            Pending(trouble) | Hopeless(trouble) | Crashed(trouble) | Crashing { trouble, .. } => {
                Some(trouble)
            }
        }
    }

    /// The same in another reckoning of time.
    #[must_use]
    pub fn placed(mut self, place: impl Fn(Timestamp) -> Timestamp) -> Self {
        self.outlives = self.outlives.map(&place);
        match &mut self.state {
            WorkloadState::Ready(moment) | WorkloadState::Crashing { tried: moment, .. } => {
                *moment = moment.map(&place);
            }
            WorkloadState::Pending(_) | WorkloadState::Crashed(_) | WorkloadState::Hopeless(_) => {}
        }
        self
    }

    /// Since when it is ready.
    #[must_use]
    pub fn ready_since(&self) -> Option<Timestamp> {
        match self.state {
            WorkloadState::Ready(since) => since,
            _ => None,
        }
    }
}
