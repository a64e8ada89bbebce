//! The nftables table.
//!
//! Three things shape it. Rules see addresses after kube-proxy has translated them, so pods are known by their own
//! address everywhere. `accept` ends a hook, so what one direction allows is told by `return`, and the other
//! direction still has its say. A drop in any table is final, so kube-proxy's own accepts do no harm.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::compile::{Allow, Compiled, Isolated, compile};
use super::intervals::Intervals;
use super::ports::{EVERY, Ports};
use super::snapshot::Snapshot;

/// What the table is called; it belongs to the `ip` family.
pub const TABLE: &str = "kymaros_netpol";

/// The table for what is known of the cluster, as a transaction for `nft -f` that replaces the one before.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    table(&compile(snapshot))
}

fn table(compiled: &Compiled) -> String {
    let mut out = String::new();
    // Declared first, so that there is something to delete the first time.
    line(&mut out, 0, &format!("table ip {TABLE}"));
    line(&mut out, 0, &format!("delete table ip {TABLE}"));
    line(&mut out, 0, &format!("table ip {TABLE} {{"));
    for (prefix, peer, isolated) in [
        ("egress", "daddr", &compiled.egress),
        ("ingress", "saddr", &compiled.ingress),
    ] {
        for (address, allowed) in isolated {
            pod_chain(&mut out, &chain_name(prefix, *address), peer, allowed);
        }
    }
    forward_chain(&mut out, compiled);
    input_chain(&mut out, compiled);
    line(&mut out, 0, "}");
    out
}

/// Packets that go through the node: from pod to pod, and from a pod to anywhere else.
fn forward_chain(out: &mut String, compiled: &Compiled) {
    line(out, 1, "chain forward {");
    line(out, 2, "type filter hook forward priority filter; policy accept;");
    preamble(out, compiled);
    unknown(out, "saddr", compiled);
    unknown(out, "daddr", compiled);
    dispatch(out, "saddr", "egress", &compiled.egress);
    dispatch(out, "daddr", "ingress", &compiled.ingress);
    line(out, 1, "}");
}

/// Packets to the node itself. The node is no pod, so only what a pod may send matters.
fn input_chain(out: &mut String, compiled: &Compiled) {
    line(out, 1, "chain input {");
    line(out, 2, "type filter hook input priority filter; policy accept;");
    preamble(out, compiled);
    unknown(out, "saddr", compiled);
    dispatch(out, "saddr", "egress", &compiled.egress);
    line(out, 1, "}");
}

/// What no policy can forbid.
fn preamble(out: &mut String, compiled: &Compiled) {
    line(out, 2, "ct state established,related accept");
    // The node reaches its pods: the kubelet probes them.
    line(out, 2, "fib saddr type local accept");
    // A pod that reaches itself through its own Service.
    let loops: Vec<String> = addresses(&compiled.pods)
        .map(|pod| format!("{pod} . {pod}"))
        .collect();
    if !loops.is_empty() {
        line(
            out,
            2,
            &format!("ip saddr . ip daddr {{ {} }} accept", loops.join(", ")),
        );
    }
}

/// Drops addresses of pods that are not known yet: a new pod must not run before its policies are found.
fn unknown(out: &mut String, side: &str, compiled: &Compiled) {
    let unknown = compiled.pod_range.without(&compiled.pods);
    if !unknown.is_none() {
        line(
            out,
            2,
            &format!("ip {side} {{ {} }} drop", elements(&unknown, true)),
        );
    }
}

/// Sends the packets of isolated pods to the chains of those.
fn dispatch(out: &mut String, side: &str, prefix: &str, isolated: &Isolated) {
    if isolated.is_empty() {
        return;
    }
    let jumps: Vec<String> = isolated
        .keys()
        .map(|address| format!("{address} : jump {}", chain_name(prefix, *address)))
        .collect();
    line(out, 2, &format!("ip {side} vmap {{ {} }}", jumps.join(", ")));
}

fn pod_chain(out: &mut String, name: &str, peer: &str, allowed: &[Allow]) {
    line(out, 1, &format!("chain {name} {{"));
    for allow in allowed {
        let from = if allow.peers.is_all() {
            String::new()
        } else {
            format!("ip {peer} {{ {} }} ", elements(&allow.peers, true))
        };
        match &allow.ports {
            Ports::All => line(out, 2, &format!("{from}return")),
            Ports::These(by_protocol) => {
                for (protocol, numbers) in by_protocol {
                    let protocol = protocol.name();
                    let at = if *numbers == Intervals::range(EVERY.0, EVERY.1) {
                        format!("ip protocol {protocol}")
                    } else {
                        format!("{protocol} dport {{ {} }}", elements(numbers, false))
                    };
                    line(out, 2, &format!("{from}{at} return"));
                }
            }
        }
    }
    line(out, 2, "drop");
    line(out, 1, "}");
}

/// The elements of a set, as addresses or as numbers.
fn elements(intervals: &Intervals, are_addresses: bool) -> String {
    let show = |number: u32| {
        if are_addresses {
            Ipv4Addr::from(number).to_string()
        } else {
            number.to_string()
        }
    };
    let shown: Vec<String> = intervals
        .iter()
        .map(|(first, last)| {
            if first == last {
                show(first)
            } else {
                format!("{}-{}", show(first), show(last))
            }
        })
        .collect();
    shown.join(", ")
}

fn addresses(intervals: &Intervals) -> impl Iterator<Item = Ipv4Addr> {
    intervals
        .iter()
        .flat_map(|(first, last)| first..=last)
        .map(Ipv4Addr::from)
}

fn chain_name(prefix: &str, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{prefix}_{a}_{b}_{c}_{d}")
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:width$}{text}", "", width = depth * 4);
}

#[cfg(test)]
mod tests;
