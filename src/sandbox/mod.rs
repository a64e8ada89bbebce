//! Sandboxes: namespaces made for one run and one source namespace, fenced before anything is restored.

pub mod apply;
pub mod naming;
pub mod objects;
mod patience;
pub mod remove;
pub mod sweep;
