//! Sandboxes: namespaces made for one run and one source namespace, fenced before anything is restored.

pub mod apply;
pub mod freed;
pub mod held;
pub mod leftovers;
pub mod naming;
pub mod objects;
pub mod outside;
pub mod remove;
pub mod resolvers;
pub mod snapshots;
pub mod sweep;
pub mod untamed;

/// Who deletes something, or changes something that goes, has what they want when it is gone.
fn ignore_gone(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => other,
    }
}
