//! The programs of the cluster: Debian packages, and Go programs built from modules at fixed versions.

mod build;
mod debian;
mod go;
mod prometheus;

pub use build::build_missing;
pub use debian::install_missing;
pub use go::{API_SERVERS, CERT_MANAGER, GROUPS, Group, program, short_hash};
pub use prometheus::{prometheus, promtool};
