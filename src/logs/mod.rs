//! Logs and events of sandboxes, for tests that ask for them with `logCollection`.

mod bound;
pub mod collect;

use kymaros_crds::{CollectedEvent, PodLog};

/// What goes into the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// Logs by pod.
    pub logs: Vec<PodLog>,
    /// Events, warnings first.
    pub events: Vec<CollectedEvent>,
}
