//! The first process of the machine. It starts the supervisor and buries what nobody else waits for: every process
//! whose parent died becomes its child. Kept apart from the supervisor, because waiting for any child at all would take
//! away the ends of those that the supervisor waits for itself.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::{SUPERVISOR, mounts, network};
use crate::places;

pub fn run() -> Result<()> {
    mounts::set_up()?;
    network::set_up()?;
    let supervisor = Command::new(places::machine_program())
        .arg(SUPERVISOR)
        // The gateway's sockets.
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .spawn()
        .context("cannot start the supervisor")?;
    let supervisor = i32::try_from(supervisor.id()).context("no process id")?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == supervisor => {
                bail!("the supervisor ended: {status:?}")
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for children"),
        }
    }
}
