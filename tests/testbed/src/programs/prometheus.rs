//! Prometheus, and its own tool for rules and their tests, out of Debian's package, which is unpacked and not installed: nothing that
//! starts by itself comes onto the machine.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::{images::debian, places};

/// The package that it is in.
const PACKAGE: &str = "prometheus";

/// The tool; the first call on a machine fetches it.
///
/// # Errors
///
/// When this is not Debian, or the package cannot be had.
pub fn promtool() -> Result<PathBuf> {
    program("promtool")
}

/// The server itself.
///
/// # Errors
///
/// As [`promtool`].
pub fn prometheus() -> Result<PathBuf> {
    program("prometheus")
}

fn program(name: &str) -> Result<PathBuf> {
    let folder = places::cache("promtool");
    let program = folder.join("root/usr/bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    let mut packages = debian::needed_by(&[PACKAGE])?;
    packages.retain(|package| package.name == PACKAGE);
    // Beside the final place, and moved there when complete.
    let scratch = places::cache(&crate::scene::unique("promtool"));
    debian::unpack(&packages, &scratch).context("cannot fetch promtool")?;
    if std::fs::rename(&scratch, &folder).is_err() {
        // Somebody else was faster.
        std::fs::remove_dir_all(&scratch)?;
    }
    ensure!(program.is_file(), "{} is not there", program.display());
    Ok(program)
}
