//! What the cluster needs from the computer it runs on.

use std::fs;
use std::process::Command;

/// Why the cluster cannot run here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// Another operating system.
    #[error("the test cluster runs on Linux only, this is {0}; use a Linux machine or virtual machine")]
    NotLinux(&'static str),
    /// An ordinary user.
    #[error("the test cluster needs root, for namespaces, mounts and control groups: run this as root")]
    NotRoot,
    /// The kernel cannot do something.
    #[error("the kernel lacks {0}: use a kernel that has it, or load its module")]
    Kernel(&'static str),
}

/// Whether we may do all this.
///
/// # Errors
///
/// When not.
pub fn check_rights() -> Result<(), Unfit> {
    if !cfg!(target_os = "linux") {
        return Err(Unfit::NotLinux(std::env::consts::OS));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Unfit::NotRoot);
    }
    Ok(())
}

/// Whether the kernel has what the cluster needs. Tried, in namespaces that end at once, not read from a list of
/// modules: what is built in is in no list.
///
/// # Errors
///
/// When something is missing; the first thing that is.
pub fn check_kernel() -> Result<(), Unfit> {
    let file_systems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !file_systems.lines().any(|line| line.ends_with("\toverlay")) && !works("modprobe overlay") {
        return Err(Unfit::Kernel("overlay file systems (overlay)"));
    }
    if !fs::exists("/sys/fs/cgroup/memory").unwrap_or(false)
        && !fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false)
    {
        return Err(Unfit::Kernel("control groups mounted at /sys/fs/cgroup"));
    }
    let tries = [
        ("true", "namespaces for network, mounts and processes"),
        ("ip link add probe0 type bridge", "network bridges (bridge)"),
        (
            "ip link add probe0 type veth peer name probe1",
            "virtual network links (veth)",
        ),
        ("nft add table ip probe", "nftables (nf_tables)"),
        (
            "iptables -t nat -A POSTROUTING -m comment --comment probe -j MASQUERADE",
            "address translation in iptables (nft_compat, xt_MASQUERADE)",
        ),
        (
            "ip link add probe0 type bridge && test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
            "filtering of bridged traffic (br_netfilter)",
        ),
    ];
    for (command, feature) in tries {
        if !works(command) {
            return Err(Unfit::Kernel(feature));
        }
    }
    Ok(())
}

/// Whether a command works in namespaces of its own.
fn works(command: &str) -> bool {
    Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
            command,
        ])
        .output()
        .is_ok_and(|output| output.status.success())
}
