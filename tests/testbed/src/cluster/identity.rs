//! Which cluster this program starts, and which one runs.

use std::fs;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::programs::{GROUPS, short_hash};
use crate::{addons, components, places};

/// What is recorded about the running cluster, once it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Hash of programs, command lines and everything installed.
    pub identity: String,
    /// The port on the host's loopback address.
    pub port: u16,
}

/// The identity of the cluster that this program starts. Follows from what would run, not from this program's own
/// code: a rebuilt program with the same cluster in it leaves the running one alone.
pub fn wanted() -> String {
    let programs: Vec<String> = GROUPS.iter().map(crate::programs::Group::key).collect();
    let text = format!("{programs:?}\n{:?}\n{}", components::all(), addons::fingerprint());
    short_hash(text.as_bytes())
}

/// What was recorded; nothing if no start came to its end.
pub fn recorded() -> Option<Record> {
    let bytes = fs::read(places::state("complete.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether a start came to its end.
pub fn is_complete() -> bool {
    recorded().is_some()
}

/// Records that the start came to its end.
pub fn record(port: u16) -> Result<()> {
    let record = Record {
        identity: wanted(),
        port,
    };
    let partial = places::state("complete.json.partial");
    fs::write(&partial, serde_json::to_vec(&record)?)?;
    fs::rename(partial, places::state("complete.json"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_identity_is_the_same_every_time() {
        assert_eq!(super::wanted(), super::wanted());
    }
}
