//! Debian packages that the cluster's programs come from or call, and what else tests take from there.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// What is needed, and nothing that starts a service by itself on a machine without systemd.
const PACKAGES: [&str; 17] = [
    "containerd",
    "runc",
    "containernetworking-plugins",
    "busybox-static",
    "iptables",
    "nftables",
    "ipset",
    "conntrack",
    "iproute2",
    "socat",
    "mount",
    "util-linux",
    "openssl",
    "mmdebstrap",
    "chromium",
    // A browser without a font draws nothing.
    "fonts-inter",
    // For operators whose clock somebody sets.
    "faketime",
];

/// Installs the packages that are missing.
///
/// # Errors
///
/// When this is not Debian, or a package cannot be installed.
pub fn install_missing(progress: &dyn Progress) -> Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let list = missing.join(" ");
    progress.update(&format!("installing {list}"));
    // The package lists are only fetched when the ones at hand do not do: they are large.
    if install(&missing).is_err() {
        progress.update("fetching Debian's package lists");
        apt_get(&["update", "-qq"]).context("cannot fetch Debian's package lists")?;
        progress.update(&format!("installing {list}"));
        install(&missing).with_context(|| format!("cannot install {list}"))?;
    }
    progress.step(&format!("installed {list} in {} s", started.elapsed().as_secs()));
    Ok(())
}

fn missing() -> Result<Vec<&'static str>> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Abbrev}\n"])
        .args(PACKAGES)
        .output()
        .context("cannot run dpkg-query: the test cluster needs Debian or a system made from it")?;
    Ok(not_installed(&String::from_utf8_lossy(&output.stdout)))
}

/// The packages that dpkg's answer does not list as installed.
fn not_installed(answer: &str) -> Vec<&'static str> {
    PACKAGES
        .into_iter()
        .filter(|package| {
            !answer
                .lines()
                .any(|line| line.split_whitespace().eq([*package, "ii"]))
        })
        .collect()
}

fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot run apt-get")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let all = PACKAGES.join(" ii \n") + " ii \n";
        assert!(not_installed(&all).is_empty());
        let removed = all.replace("socat ii", "socat rc").replace("runc ii \n", "");
        assert_eq!(not_installed(&removed), ["runc", "socat"]);
    }
}
