//! A server in a test that the API server can reach.

use std::{fs::File, net::TcpListener, os::fd::AsFd, thread};

use anyhow::{Context, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{NotRunning, existing};
use crate::{machine::processes, places::NODE_ADDRESS};

/// A socket on the node's address, on a port of its own. Accept and answer as usual: a socket stays in the network it was
/// made in, whoever uses it.
///
/// # Errors
///
/// When the cluster does not run, or is the user's own: nothing leads from there to here.
pub fn listen() -> Result<TcpListener> {
    if existing::chosen().is_some() {
        bail!("your own cluster has no way to a server in this process");
    }
    let init = processes::init().ok_or(NotRunning::Down)?;
    let network = File::open(format!("/proc/{init}/ns/net")).context("the machine's network")?;
    // Only this thread moves into the machine's network, and ends there.
    let bind = move || -> Result<TcpListener> {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(TcpListener::bind((NODE_ADDRESS, 0))?)
    };
    thread::spawn(bind)
        .join()
        .map_err(|_| anyhow!("binding failed"))?
}
