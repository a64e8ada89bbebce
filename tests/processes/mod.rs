//! Processes of the test cluster, as this machine sees them: found by their command line, and sent signals.

use std::process::Command;

use anyhow::{Result, bail, ensure};

/// The id of the process whose words are such; `what` it is, for the error.
pub fn find(what: &str, is_it: impl Fn(&[&str]) -> bool) -> Result<String> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        // It may have ended meanwhile, and what is no process has no command line.
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split('\0').collect();
        if is_it(&words) {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    bail!("{what} does not run")
}

/// Sends a signal, such as `-STOP`.
pub fn signal(signal: &str, process: &str) -> Result<()> {
    let status = Command::new("kill").args([signal, process]).status()?;
    ensure!(status.success(), "{signal} to {process}");
    Ok(())
}
