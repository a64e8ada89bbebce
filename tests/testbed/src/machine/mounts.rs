//! The machine's view of the file system.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::places;

/// Settings that the kubelet changes and that have no namespace: they are the host's. It gets files with the same content
/// instead, so the host keeps its own.
const SETTINGS: [&str; 6] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// Covers the folders that programs use by fixed names with folders of our own.
pub fn set_up() -> Result<()> {
    for (target, own) in places::COVERED {
        let own = places::state(own);
        fs::create_dir_all(&own)?;
        fs::create_dir_all(target).with_context(|| format!("cannot create {target}"))?;
        mount(&["--bind", &own.to_string_lossy(), target])?;
    }
    // Sockets, locks and names of network namespaces.
    mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
    fs::create_dir_all("/run/lock")?;
    // Volumes that the kubelet mounts have to show up in the node agent's container.
    mount(&["--make-rshared", "/"])?;
    cover_settings()?;
    for hierarchy in places_of_cgroups()? {
        let folder = hierarchy.join(places::CGROUP);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        inherit_cpuset(&hierarchy, &folder);
    }
    Ok(())
}

fn cover_settings() -> Result<()> {
    let folder = places::state("settings");
    fs::create_dir_all(&folder)?;
    for name in SETTINGS {
        let target = format!("/proc/sys/{name}");
        // What this kernel does not have, the kubelet cannot change.
        if let Ok(value) = fs::read_to_string(&target) {
            let own = folder.join(name.replace('/', "."));
            fs::write(&own, value)?;
            mount(&["--bind", &own.to_string_lossy(), &target])?;
        }
    }
    Ok(())
}

fn places_of_cgroups() -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir("/sys/fs/cgroup").context("no control groups")? {
        let path = item?.path();
        // Not cgroup v2: what is mounted beside v1 has no controllers.
        if path.is_dir() && path.join("tasks").exists() {
            found.push(path);
        }
    }
    Ok(found)
}

/// A new cpuset has no processors, and nothing runs in it until it is given some.
fn inherit_cpuset(from: &std::path::Path, to: &std::path::Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(from.join(file)) {
            // The hierarchies without the file are those that it does not concern.
            let _ = fs::write(to.join(file), value);
        }
    }
}

fn mount(arguments: &[&str]) -> Result<()> {
    let output = Command::new("mount").args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "mount {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
