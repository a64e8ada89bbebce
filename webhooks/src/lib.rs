//! Admission: what the API server asks before it stores an object.
//!
//! Every decision is a plain function of a request and of [`Facts`]: [`default`] fills in what a test leaves open,
//! [`validate`] refuses what cannot work, [`guard`] keeps the operator's own account inside its sandboxes, [`contain`]
//! keeps Velero's restores of ours inside them, [`fence`] keeps everybody's hands off the marks of a sandbox, and
//! [`neutralise`] makes copies harmless. [`server`] is the way in over HTTP.

pub mod answer;
pub mod contain;
pub mod default;
pub mod facts;
pub mod fence;
pub mod guard;
pub mod neutralise;
pub mod observe;
pub mod request;
pub mod rule;
#[cfg(test)]
mod sample;
pub mod server;
pub mod validate;

pub use answer::{Answer, Denial};
pub use facts::{Facts, Operator, RestoreOwner, Run, RunState, Sandbox, VolumeUse};
pub use request::Request;
pub use rule::Rule;
