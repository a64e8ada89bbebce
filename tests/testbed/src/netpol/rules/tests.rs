//! The text of the table.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};

use super::*;
use crate::netpol::snapshot::Pod;

fn pod(address: &str) -> Pod {
    Pod {
        namespace: "shop".to_owned(),
        addresses: [address.parse().unwrap()].into(),
        ..Pod::default()
    }
}

fn snapshot(pods: &[&str], spec: Option<Value>) -> Snapshot {
    let policy = |spec| json!({ "metadata": { "name": "p", "namespace": "shop" }, "spec": spec });
    let parse = |policy| Arc::new(serde_json::from_value::<NetworkPolicy>(policy).unwrap());
    Snapshot {
        policies: spec.map(policy).map(parse).into_iter().collect(),
        pods: pods.iter().map(|address| pod(address)).collect(),
        pod_range: Intervals::block("10.244.0.0/29").unwrap(),
        ..Snapshot::default()
    }
}

#[test]
fn an_unknown_cluster_is_closed() {
    let expected = "\
table ip kymaros_netpol
delete table ip kymaros_netpol
table ip kymaros_netpol {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        fib saddr type local accept
        ip saddr { 10.244.0.0-10.244.0.7 } drop
        ip daddr { 10.244.0.0-10.244.0.7 } drop
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ct state established,related accept
        fib saddr type local accept
        ip saddr { 10.244.0.0-10.244.0.7 } drop
    }
}
";
    assert_eq!(render(&snapshot(&[], None)), expected);
}

#[test]
fn a_policy_becomes_chains_of_its_pods() {
    let spec = json!({
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{
            "from": [{ "podSelector": {} }],
            "ports": [{ "port": 80 }, { "port": 90, "endPort": 99 }, { "protocol": "UDP" }],
        }],
        "egress": [
            { "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.244.0.0/16"] } }] },
            { "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }], "ports": [{ "port": 53, "protocol": "UDP" }] },
        ],
    });
    let expected = "\
table ip kymaros_netpol
delete table ip kymaros_netpol
table ip kymaros_netpol {
    chain egress_10_244_0_2 {
        ip daddr { 10.0.0.0-10.243.255.255, 10.245.0.0-10.255.255.255 } return
        udp dport { 53 } return
        drop
    }
    chain ingress_10_244_0_2 {
        ip saddr { 10.244.0.2 } tcp dport { 80, 90-99 } return
        ip saddr { 10.244.0.2 } ip protocol udp return
        drop
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        fib saddr type local accept
        ip saddr . ip daddr { 10.244.0.2 . 10.244.0.2 } accept
        ip saddr { 10.244.0.0-10.244.0.1, 10.244.0.3-10.244.0.7 } drop
        ip daddr { 10.244.0.0-10.244.0.1, 10.244.0.3-10.244.0.7 } drop
        ip saddr vmap { 10.244.0.2 : jump egress_10_244_0_2 }
        ip daddr vmap { 10.244.0.2 : jump ingress_10_244_0_2 }
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ct state established,related accept
        fib saddr type local accept
        ip saddr . ip daddr { 10.244.0.2 . 10.244.0.2 } accept
        ip saddr { 10.244.0.0-10.244.0.1, 10.244.0.3-10.244.0.7 } drop
        ip saddr vmap { 10.244.0.2 : jump egress_10_244_0_2 }
    }
}
";
    assert_eq!(render(&snapshot(&["10.244.0.2"], Some(spec))), expected);
}

#[test]
fn nothing_but_the_last_rule_of_a_pod_drops() {
    let spec = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}] });
    let text = render(&snapshot(&["10.244.0.2", "10.244.0.3"], Some(spec)));
    // An accept in a chain of a pod would end the hook before the other direction is looked at.
    let chains: Vec<&str> = text
        .split("chain ")
        .filter(|chain| chain.starts_with("egress_"))
        .collect();
    assert_eq!(chains.len(), 2);
    for chain in chains {
        let rules: Vec<&str> = chain
            .lines()
            .skip(1)
            .map(str::trim)
            .take_while(|rule| *rule != "}")
            .collect();
        assert_eq!(rules, ["return", "drop"], "{chain}");
    }
}
