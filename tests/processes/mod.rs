//! Processes of the test cluster, as this machine sees them: found by their command line, and sent signals.

use std::process::Command;

use anyhow::{Result, ensure};

/// The ids of the processes whose words are such; `what` they are, for the error.
pub fn find(what: &str, is_it: impl Fn(&[&str]) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        // It may have ended meanwhile, and what is no process has no command line.
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split('\0').collect();
        if is_it(&words) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ensure!(!found.is_empty(), "{what} does not run");
    Ok(found)
}

/// Sends a signal, such as `-STOP`.
pub fn signal(signal: &str, process: &str) -> Result<()> {
    let status = Command::new("kill").args([signal, process]).status()?;
    ensure!(status.success(), "{signal} to {process}");
    Ok(())
}
