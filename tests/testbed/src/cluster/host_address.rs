//! The node's address on the host.
//!
//! Velero signs addresses of its artifacts for the node's address, and hands them to clients inside and outside the
//! machine alike. On the host that address would lead to whoever has it out in the network. So the host gets it
//! too, on the loopback link, with the gateway behind it.

use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::places::NODE_ADDRESS;

/// Whether the address leads to this host.
pub fn is_local() -> bool {
    TcpListener::bind((NODE_ADDRESS, 0)).is_ok()
}

/// Makes the address lead to this host.
pub fn add() -> Result<()> {
    if is_local() {
        return Ok(());
    }
    let output = change("add").context("cannot run ip")?;
    if !output.status.success() {
        bail!(
            "the address {NODE_ADDRESS} cannot be added to the loopback link: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Takes it away again; nothing happens when it is not there.
pub fn remove() {
    // Without the program nothing can have been added.
    let _ = change("delete");
}

fn change(what: &str) -> std::io::Result<std::process::Output> {
    let address = format!("{NODE_ADDRESS}/32");
    Command::new("ip")
        .args(["address", what, &address, "dev", "lo"])
        .output()
}
