//! The machine: namespaces of its own for network, mounts and processes, in which the cluster runs. When its first
//! process ends, the kernel removes everything that was in there.
//!
//! It runs a copy of the program that called `up`, started again with one of the hidden subcommands below.

mod gateway;
mod init;
mod mounts;
mod network;
mod probe;
pub mod processes;
pub mod status;
mod supervise;

use std::process::ExitCode;

use anyhow::{Context, Result};

/// Hidden subcommand: the first process.
pub(crate) const INIT: &str = "cluster-machine";
/// Hidden subcommand: starts the components and keeps them running.
const SUPERVISOR: &str = "cluster-supervisor";
/// Hidden subcommand: enforces `NetworkPolicy`.
pub(crate) const NETPOL: &str = "cluster-netpol";

/// Does the work of a hidden subcommand, if the program was started with one. A program that calls
/// [`crate::cluster::up`] must call this first in `main`.
#[must_use]
pub fn dispatch() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next()?.as_str() {
        INIT => init::run(),
        SUPERVISOR => async_main(supervise::run()),
        NETPOL => async_main(netpol(arguments.next())),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

fn async_main(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}

async fn netpol(kubeconfig: Option<String>) -> Result<()> {
    let kubeconfig = kubeconfig.context("the kubeconfig is missing")?;
    let client = crate::cluster::client_from(kubeconfig.as_ref()).await?;
    crate::netpol::run(client, crate::netpol::Options::new(crate::places::POD_RANGE)).await
}
