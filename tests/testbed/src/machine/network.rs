//! The machine's network: the node's address and no way out.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::places::{NODE_ADDRESS, SERVICE_RANGE};

/// The link that has the node's address: a bridge without ports.
const LINK: &str = "node0";

const SETTINGS: [(&str, &str); 2] = [
    ("net/ipv4/ip_forward", "1"),
    // Without it traffic between pods of the one bridge passes by all rules.
    ("net/bridge/bridge-nf-call-iptables", "1"),
];

pub fn set_up() -> Result<()> {
    let address = format!("{NODE_ADDRESS}/32");
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", LINK, "type", "bridge"])?;
    ip(&["address", "add", &address, "dev", LINK])?;
    ip(&["link", "set", LINK, "up"])?;
    // kube-proxy rewrites what the node itself sends to a Service only after the kernel found a route for it.
    ip(&["route", "add", SERVICE_RANGE, "dev", LINK, "src", NODE_ADDRESS])?;
    for (name, value) in SETTINGS {
        fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name}"))?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("cannot run ip")?;
    if !output.status.success() {
        bail!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
