//! Connections that are allowed and connections that are not, for all that policies can say.

use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};

use super::*;
use crate::netpol::ports::Protocol::{self, Tcp, Udp};
use crate::netpol::snapshot::NamedPort;

mod ports;

const WEB: &str = "10.244.0.2";
const DB: &str = "10.244.0.3";
const OTHER: &str = "10.244.0.4";
const DNS: &str = "10.244.0.5";
const OUTSIDE: &str = "192.0.2.1";
const NODE: &str = "10.200.0.1";

fn pod(namespace: &str, app: &str, address: &str, ports: &[(&str, Protocol, u16)]) -> Pod {
    Pod {
        namespace: namespace.to_owned(),
        labels: [("app".to_owned(), app.to_owned())].into(),
        addresses: [address.parse().unwrap()].into(),
        ports: ports
            .iter()
            .map(|&(name, protocol, number)| NamedPort {
                name: name.to_owned(),
                protocol,
                number,
            })
            .collect(),
    }
}

/// A shop of two pods, a pod of somebody else, and the cluster DNS.
fn cluster(specs: &[Value]) -> Compiled {
    let policies = specs.iter().enumerate().map(|(number, spec)| {
        let policy =
            json!({ "metadata": { "name": format!("p{number}"), "namespace": "shop" }, "spec": spec });
        Arc::new(serde_json::from_value::<NetworkPolicy>(policy).unwrap())
    });
    let namespaces = [("shop", "a"), ("other", "b"), ("kube-system", "system")];
    compile(&Snapshot {
        policies: policies.collect(),
        pods: vec![
            pod("shop", "web", WEB, &[("http", Tcp, 8080)]),
            pod("shop", "db", DB, &[("http", Tcp, 9187), ("sql", Tcp, 5432)]),
            pod("other", "web", OTHER, &[("http", Tcp, 80)]),
            pod(
                "kube-system",
                "dns",
                DNS,
                &[("dns", Udp, 53), ("dns-tcp", Tcp, 53)],
            ),
        ],
        namespaces: namespaces
            .into_iter()
            .map(|(name, team)| (name.to_owned(), [("team".to_owned(), team.to_owned())].into()))
            .collect(),
        pod_range: Intervals::block("10.244.0.0/16").unwrap(),
    })
}

/// Whether both sides allow it.
fn passes(compiled: &Compiled, from: &str, to: &str, protocol: Protocol, port: u16) -> bool {
    let (from, to): (Ipv4Addr, Ipv4Addr) = (from.parse().unwrap(), to.parse().unwrap());
    let allows = |isolated: &Isolated, pod: Ipv4Addr, peer: Ipv4Addr| {
        isolated.get(&pod).is_none_or(|allowed| {
            allowed.iter().any(|allow| {
                let port_fits = match &allow.ports {
                    Ports::All => true,
                    Ports::These(ports) => ports.get(&protocol).is_some_and(|set| set.contains(port.into())),
                };
                port_fits && allow.peers.contains(peer.into())
            })
        })
    };
    allows(&compiled.egress, from, to) && allows(&compiled.ingress, to, from)
}

/// Checks `(from, to, port, expected)` over TCP.
fn check(specs: &[Value], expected: &[(&str, &str, u16, bool)]) {
    let compiled = cluster(specs);
    for &(from, to, port, expected) in expected {
        assert_eq!(
            passes(&compiled, from, to, Tcp, port),
            expected,
            "{from} -> {to}:{port} under {specs:?}"
        );
    }
}

fn app(name: &str) -> Value {
    json!({ "matchLabels": { "app": name } })
}

fn deny_all() -> Value {
    json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })
}

#[test]
fn without_policies_everything_passes() {
    check(
        &[],
        &[
            (WEB, DB, 1, true),
            (OTHER, WEB, 1, true),
            (OUTSIDE, WEB, 1, true),
            (WEB, OUTSIDE, 1, true),
        ],
    );
}

#[test]
fn deny_all_closes_a_namespace_and_no_other() {
    check(
        &[deny_all()],
        &[
            (WEB, DB, 5432, false),
            (WEB, OTHER, 80, false),
            (WEB, OUTSIDE, 443, false),
            (WEB, NODE, 6443, false),
            (OTHER, WEB, 8080, false),
            (OUTSIDE, WEB, 8080, false),
            (OTHER, DNS, 53, true),
            (OTHER, OUTSIDE, 443, true),
        ],
    );
}

#[test]
fn a_policy_isolates_only_the_pods_it_selects() {
    check(
        &[json!({ "podSelector": app("db"), "policyTypes": ["Ingress"] })],
        &[
            (WEB, DB, 5432, false),
            (OTHER, WEB, 8080, true),
            (DB, WEB, 8080, true),
            (DB, OUTSIDE, 443, true),
        ],
    );
}

#[test]
fn absent_types_mean_ingress_and_egress_only_with_rules() {
    check(
        &[json!({ "podSelector": {} })],
        &[(OTHER, WEB, 1, false), (WEB, OTHER, 1, true)],
    );
    check(&[json!({})], &[(OTHER, WEB, 1, false), (WEB, OTHER, 1, true)]);
    check(
        &[json!({ "podSelector": {}, "policyTypes": [] })],
        &[(OTHER, WEB, 1, false), (WEB, OTHER, 1, true)],
    );
    check(
        &[json!({ "podSelector": {}, "egress": [] })],
        &[(OTHER, WEB, 1, false), (WEB, OTHER, 1, true)],
    );
    check(
        &[json!({ "podSelector": {}, "egress": [{ "to": [{ "podSelector": {} }] }] })],
        &[(OTHER, WEB, 1, false), (WEB, OTHER, 1, false)],
    );
    // Rules of a direction that is not among the types count for nothing.
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Egress"], "ingress": [], "egress": [{}] })],
        &[(OTHER, WEB, 1, true), (WEB, OTHER, 1, true)],
    );
}

#[test]
fn empty_rules_allow_everything() {
    let open =
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] });
    check(
        &[deny_all(), open],
        &[
            (OTHER, WEB, 1, true),
            (WEB, OUTSIDE, 1, true),
            (WEB, NODE, 1, true),
        ],
    );
}

#[test]
fn policies_add_up_and_both_sides_must_agree() {
    let to_db = json!({ "podSelector": app("web"), "policyTypes": ["Egress"],
        "egress": [{ "to": [{ "podSelector": app("db") }], "ports": [{ "port": 5432 }] }] });
    let from_web = json!({ "podSelector": app("db"), "policyTypes": ["Ingress"],
        "ingress": [{ "from": [{ "podSelector": app("web") }] }] });
    check(&[deny_all(), to_db.clone()], &[(WEB, DB, 5432, false)]);
    check(&[deny_all(), from_web.clone()], &[(WEB, DB, 5432, false)]);
    check(
        &[deny_all(), to_db, from_web],
        &[
            (WEB, DB, 5432, true),
            (WEB, DB, 9187, false),
            (DB, WEB, 8080, false),
            (OTHER, DB, 5432, false),
        ],
    );
}

#[test]
fn the_same_namespace_can_be_opened_to_itself() {
    let inside = json!([{ "podSelector": {} }]);
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": inside }], "egress": [{ "to": inside }] })],
        &[
            (WEB, DB, 5432, true),
            (DB, WEB, 1, true),
            (OTHER, WEB, 8080, false),
            (WEB, DNS, 53, false),
        ],
    );
}

#[test]
fn blocks_reach_outside_except_where_they_do_not() {
    check(
        &[
            json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": [{ "ipBlock": {
            "cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "192.0.2.128/25"],
        } }] }] }),
        ],
        &[
            (WEB, OUTSIDE, 443, true),
            (WEB, "192.0.2.200", 443, false),
            (WEB, NODE, 1, false),
            (WEB, DB, 1, false),
        ],
    );
}

#[test]
fn a_selector_without_a_match_allows_nothing() {
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": [{ "podSelector": app("none") }] }],
            "egress": [{ "to": [{ "namespaceSelector": { "matchLabels": { "team": "none" } } }] }] })],
        &[
            (WEB, DB, 5432, false),
            (OTHER, WEB, 8080, false),
            (WEB, OUTSIDE, 443, false),
        ],
    );
}
