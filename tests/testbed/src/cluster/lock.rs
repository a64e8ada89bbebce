//! One `up` or `down` at a time on a machine, whichever clone they come from.

use std::fs::File;

use anyhow::{Context, Result};

use crate::places;
use crate::progress::Progress;

/// Held until dropped; the kernel lets go when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Waits for its turn.
pub fn acquire(progress: &dyn Progress) -> Result<Lock> {
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(places::LOCK)
        .with_context(|| format!("cannot open {}", places::LOCK))?;
    if file.try_lock().is_err() {
        progress.update("waiting for another `cluster up` or `cluster down`");
        file.lock()
            .with_context(|| format!("cannot lock {}", places::LOCK))?;
    }
    Ok(Lock { _file: file })
}
