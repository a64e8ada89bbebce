//! Velero: its API types, choosing a backup, its stored artifacts, making and reading a Restore.

pub mod artifacts;
pub mod choose;
mod filters;
pub mod kinds;
pub mod location;
pub mod movers;
pub mod operations;
pub mod restore;
pub mod results;
pub mod server;
pub mod types;

pub use types::{Backup, DownloadRequest, Restore, Schedule, StorageLocation};
