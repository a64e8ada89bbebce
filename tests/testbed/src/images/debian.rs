//! Debian packages, unpacked into a folder without being installed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A package at the version that this machine's package lists know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
}

/// The packages that `roots` need on a machine on which nothing is installed, with `roots` themselves.
///
/// # Errors
///
/// When apt does not know one of them.
pub fn needed_by(roots: &[&str]) -> Result<Vec<Package>> {
    with_fresh_lists(|| {
        let mut arguments = vec![
            "--simulate",
            "-o",
            "Dir::State::status=/dev/null",
            "--no-install-recommends",
            "install",
        ];
        arguments.extend(roots);
        parse_plan(&apt_get(&arguments, None)?)
    })
}

/// Downloads the packages into `folder/packages` and unpacks them into `folder/root`.
///
/// # Errors
///
/// When one cannot be downloaded or unpacked.
pub fn unpack(packages: &[Package], folder: &Path) -> Result<()> {
    let downloads = folder.join("packages");
    let root = folder.join("root");
    fs::create_dir_all(&downloads)?;
    fs::create_dir_all(&root)?;
    let wanted: Vec<String> = packages
        .iter()
        .map(|package| format!("{}={}", package.name, package.version))
        .collect();
    with_fresh_lists(|| {
        // A folder that only we can enter is no place for apt's own user.
        let mut arguments = vec!["-o", "APT::Sandbox::User=root", "download"];
        arguments.extend(wanted.iter().map(String::as_str));
        apt_get(&arguments, Some(&downloads))
    })?;
    for item in fs::read_dir(&downloads)? {
        let package = item?.path();
        if package.extension() == Some(OsStr::new("deb")) {
            let mut command = Command::new("dpkg-deb");
            command.arg("--extract").arg(&package).arg(&root);
            output(&mut command).with_context(|| format!("cannot unpack {}", package.display()))?;
        }
    }
    Ok(())
}

/// Runs `attempt`; if it fails, which it does with package lists that are missing or old, updates them and tries
/// again.
fn with_fresh_lists<T>(attempt: impl Fn() -> Result<T>) -> Result<T> {
    if let Ok(done) = attempt() {
        return Ok(done);
    }
    apt_get(&["update"], None)?;
    attempt()
}

fn apt_get(arguments: &[&str], folder: Option<&Path>) -> Result<String> {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").args(arguments).env("LC_ALL", "C");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    output(&mut command)
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads the lines `Inst NAME (VERSION ARCHIVE [ARCHITECTURE])` of a simulated installation.
fn parse_plan(text: &str) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("Inst ") else {
            continue;
        };
        let parsed = rest
            .split_once(" (")
            .and_then(|(name, rest)| Some((name, rest.split_whitespace().next()?)));
        let Some((name, version)) = parsed else {
            bail!("cannot read the line {line:?} of apt-get")
        };
        packages.push(Package {
            name: name.to_owned(),
            version: version.to_owned(),
        });
    }
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_installation_is_read() {
        let text = "\
NOTE: This is only a simulation!
Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) []
Inst base (1:2 Debian:12 [all])
Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])
";
        let packages = parse_plan(text).unwrap();
        let packages: Vec<_> = packages
            .iter()
            .map(|p| (p.name.as_str(), p.version.as_str()))
            .collect();
        assert_eq!(packages, [("base", "1:2"), ("libc6", "2.36-9+deb12u14")]);
    }

    #[test]
    fn an_unknown_line_is_an_error() {
        assert!(parse_plan("Inst libc6\n").is_err());
    }
}
