//! What is known of the cluster while a request is answered. It comes from stores in memory: nothing asks the network.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::validate::Known;

/// Who the operator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its user name, for example `system:serviceaccount:kymaros-system:kymaros`.
    pub username: String,
    /// Its namespace.
    pub namespace: String,
    /// Velero's namespace.
    pub velero_namespace: String,
    /// Its Lease, in its own namespace.
    pub lease: String,
    /// The Secret with the certificate of the webhooks, in its own namespace.
    pub certificate_secret: String,
    /// The `PriorityClass` of pods in sandboxes: low, and never preempting.
    pub priority_class: String,
    /// It makes, changes and deletes tests for callers of its API who have no account of their own.
    pub writes_tests: bool,
}

/// A namespace with the marks of a sandbox. [`fence`](crate::fence) makes sure that only the operator sets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// UID of the report it was made for.
    pub run_uid: String,
}

/// A run with a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whether it still makes things.
    pub state: RunState,
    /// Names of the sandboxes it may make.
    pub sandboxes: BTreeSet<String>,
    /// The Restores, by their number, of whose backup it could read that no volume in it is one of production.
    pub knows_volumes: BTreeSet<usize>,
}

/// Whether a run makes things or takes them away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Before cleanup.
    Active,
    /// In cleanup, completed or being deleted.
    Ending,
}

/// Whose Restore it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreOwner {
    /// One of our runs, by the UID of its report.
    Run(String),
    /// Somebody else.
    Other,
}

/// Whose a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeUse {
    /// No claim has it.
    Unclaimed,
    /// A claim in this namespace has it.
    ClaimedIn(String),
}

/// What is known of the cluster.
pub trait Facts: Send + Sync + 'static {
    /// Who the operator is.
    fn operator(&self) -> &Operator;
    /// The sandbox of this name.
    fn sandbox(&self, namespace: &str) -> Option<Sandbox>;
    /// The run whose report has this UID.
    fn run(&self, uid: &str) -> Option<Run>;
    /// The run that may make, or made, a sandbox of this name.
    fn run_of_sandbox_name(&self, namespace: &str) -> Option<String>;
    /// Whose Restore in Velero's namespace has this name; `None` when there is none.
    fn restore(&self, name: &str) -> Option<RestoreOwner>;
    /// The name of another volume that is kept in the same place.
    fn volume_in_place(&self, place: &str, except: &str) -> Option<String>;
    /// Whose the volume of this name is; `None` when there is none.
    fn volume_use(&self, volume: &str) -> Option<VolumeUse>;
    /// The user name of Velero's server.
    fn velero_account(&self) -> Option<String>;
    /// Defaults for tests.
    fn defaults(&self) -> &crate::default::Defaults;
    /// What is known for validation.
    fn known(&self) -> &dyn Known;
    /// Changes whenever something becomes known or is known no more.
    fn changes(&self) -> watch::Receiver<u64>;
}
