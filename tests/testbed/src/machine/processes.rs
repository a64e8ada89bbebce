//! The machine's processes as the host sees them. Looked up in `/proc` each time: a recorded id could be lost, or belong
//! to somebody else by now.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::places;

/// The host's id of the machine's first process, while it lives.
#[must_use]
pub fn init() -> Option<u32> {
    ours()
        .into_iter()
        .find(|pid| ids(*pid).is_some_and(|ids| ids.len() == 2 && ids[1] == 1))
}

/// Ends the machine and waits until all its processes are gone.
///
/// # Errors
///
/// When a process does not end.
pub fn end() -> Result<()> {
    let started = Instant::now();
    let mut running = ours();
    while !running.is_empty() {
        for pid in &running {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // It may have ended since we looked.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
        running = ours();
        if started.elapsed() > Duration::from_secs(30) {
            bail!("these processes of the test cluster do not end: {running:?}");
        }
    }
    Ok(())
}

/// Maps process ids inside the machine to those on the host.
#[must_use]
pub fn host_ids(init: u32) -> HashMap<u32, u32> {
    let Some(namespace) = namespace(init) else {
        return HashMap::new();
    };
    all()
        .filter(|pid| namespace_is(*pid, &namespace))
        .filter_map(|pid| Some((*ids(pid)?.get(1)?, pid)))
        .collect()
}

/// Every process that runs the machine's program: its first process, the supervisor and the like.
fn ours() -> Vec<u32> {
    all()
        .filter(|pid| runs(*pid, &places::machine_program()))
        .collect()
}

/// Every process on the host.
fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.parse().ok())
}

fn runs(pid: u32, program: &Path) -> bool {
    let Ok(path) = fs::read_link(format!("/proc/{pid}/exe")) else {
        return false;
    };
    // What was deleted while it ran is marked so.
    let path = path.to_string_lossy();
    Path::new(path.trim_end_matches(" (deleted)")) == program
}

fn namespace(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn namespace_is(pid: u32, wanted: &Path) -> bool {
    namespace(pid).is_some_and(|found| found == wanted)
}

/// A process's ids, from the outermost namespace to its own.
fn ids(pid: u32) -> Option<Vec<u32>> {
    parse_ids(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_ids(status: &str) -> Option<Vec<u32>> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_from_the_host_inwards() {
        let status = "Name:\tmachine\nPid:\t4711\nNSpid:\t4711\t1\nVmRSS:\t1 kB\n";
        assert_eq!(parse_ids(status), Some(vec![4711, 1]));
        assert_eq!(parse_ids("Name:\tmachine\n"), None);
    }
}
