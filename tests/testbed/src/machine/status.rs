//! What the supervisor writes down about its components.

use std::fs;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::places;

/// A component at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// Its process id inside the machine; none while it does not run.
    pub pid: Option<u32>,
    /// When it was started last.
    pub started: Option<Timestamp>,
    /// How often it was started again.
    pub restarts: u32,
    /// Whether it does its work.
    pub ready: bool,
}

impl ComponentStatus {
    /// A component that was not started yet.
    #[must_use]
    pub fn waiting(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            pid: None,
            started: None,
            restarts: 0,
            ready: false,
        }
    }
}

/// Reads what the supervisor wrote last; nothing if it wrote nothing yet.
///
/// # Errors
///
/// When the file is damaged.
pub fn read() -> Result<Vec<ComponentStatus>> {
    match fs::read(places::state("status.json")) {
        Ok(bytes) => parse(&bytes),
        Err(_) => Ok(Vec::new()),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<ComponentStatus>> {
    serde_json::from_slice(bytes)
        .context("the status of the cluster is damaged; `cargo xtask cluster up` starts it anew")
}

/// Replaces the file, so that a reader never sees half of it.
pub(super) fn write(components: &[ComponentStatus]) -> Result<()> {
    let path = places::state("status.json");
    let partial = places::state("status.json.partial");
    fs::write(&partial, serde_json::to_vec_pretty(components)?)?;
    fs::rename(partial, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let status = ComponentStatus {
            pid: Some(7),
            started: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            restarts: 2,
            ready: true,
            ..ComponentStatus::waiting("etcd")
        };
        let bytes = serde_json::to_vec(std::slice::from_ref(&status)).unwrap();
        assert_eq!(parse(&bytes).unwrap(), [status]);
        assert!(parse(b"[{").unwrap_err().to_string().contains("cluster up"));
    }
}
