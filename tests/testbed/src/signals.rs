//! Processes of the test cluster, as this machine sees them: found by their command line, and sent signals.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The ids of the processes whose words are such; `what` they are, for the error.
///
/// # Errors
/// When there is none, or `/proc` cannot be read.
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

/// Whether these are the words of an operator.
#[must_use]
pub fn is_operator(words: &[&str]) -> bool {
    let [program, command, ..] = words else {
        return false;
    };
    program.ends_with("kymaros") && *command == "operator"
}

/// The operator in the pod of this name.
///
/// # Errors
/// When none runs there.
pub fn operator(pod: &str) -> Result<String> {
    let named = format!("POD_NAME={pod}");
    let runs_there = |process: &String| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == named.as_bytes())
    };
    let mut operators = find("the operator", is_operator)?.into_iter();
    operators
        .find(runs_there)
        .with_context(|| format!("no operator runs in {pod}"))
}

/// Sends a signal, such as `-STOP`.
///
/// # Errors
/// When the process is gone.
pub fn signal(signal: &str, process: &str) -> Result<()> {
    let status = Command::new("kill").args([signal, process]).status()?;
    ensure!(status.success(), "{signal} to {process}");
    Ok(())
}
