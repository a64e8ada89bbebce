//! Ends the cluster and removes every trace of it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{host_address, lock};
use crate::machine::processes;
use crate::progress::Progress;
use crate::{host, places};

/// Ends the cluster and removes its state. With `purge` the cache of programs and images goes too.
///
/// # Errors
///
/// When something cannot be removed; doing it again is safe.
pub fn down(purge: bool, progress: &dyn Progress) -> Result<()> {
    host::check_rights()?;
    let _lock = lock::acquire(progress)?;
    let existed = processes::init().is_some() || Path::new(places::STATE).exists();
    progress.update("ending the machine");
    remove()?;
    if purge {
        progress.update("removing the cache");
        remove_folder(Path::new(places::CACHE))?;
    }
    progress.step(if existed {
        "the test cluster is gone"
    } else {
        "there is no test cluster"
    });
    Ok(())
}

/// Removes everything but the cache. The kernel does most of it: mounts, links, firewall rules and sockets belong to the
/// machine's namespaces and end with its last process.
pub(super) fn remove() -> Result<()> {
    processes::end()?;
    host_address::remove();
    remove_cgroups()?;
    remove_folder(Path::new(places::STATE))?;
    for (target, _) in places::COVERED {
        // Made only to mount on; one that somebody else uses is not empty and stays.
        let _ = fs::remove_dir(target);
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn remove_cgroups() -> Result<()> {
    let started = Instant::now();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let group = hierarchy.path().join(places::CGROUP);
        // A group is busy for some moments after its last process ended.
        while group.exists() && !remove_group(&group) {
            if started.elapsed() > Duration::from_secs(20) {
                bail!("the control group {} cannot be removed", group.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Removes a group after those in it. The files in there are the kernel's and go with it.
fn remove_group(group: &Path) -> bool {
    for item in fs::read_dir(group).into_iter().flatten().flatten() {
        if item.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&item.path());
        }
    }
    fs::remove_dir(group).is_ok()
}
