//! What is reached, rather than who.

use serde_json::json;

use super::*;

#[test]
fn dns_only_lets_nothing_else_out() {
    let compiled = cluster(
        &[json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{
        "to": [{ "namespaceSelector": { "matchLabels": { "team": "system" } }, "podSelector": app("dns") }],
        "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }],
    }] })],
    );
    for (to, protocol, port, expected) in [
        (DNS, Udp, 53, true),
        (DNS, Tcp, 53, true),
        (DNS, Tcp, 8080, false),
        (OUTSIDE, Udp, 53, false),
        (NODE, Tcp, 6443, false),
        (DB, Tcp, 5432, false),
    ] {
        assert_eq!(
            passes(&compiled, WEB, to, protocol, port),
            expected,
            "{to} {protocol:?} {port}"
        );
    }
}

#[test]
fn named_ports_are_those_of_the_receiving_pod() {
    let named = json!([{ "port": "http" }]);
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{ "ports": named }] })],
        &[
            (OTHER, WEB, 8080, true),
            (OTHER, WEB, 9187, false),
            (OTHER, DB, 9187, true),
            (OTHER, DB, 5432, false),
        ],
    );
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "ports": named }] })],
        &[
            (WEB, DB, 9187, true),
            (WEB, DB, 8080, false),
            (DB, WEB, 8080, true),
            (WEB, OTHER, 80, true),
            (WEB, OTHER, 8080, false),
            // Nothing outside has names.
            (WEB, OUTSIDE, 8080, false),
            (WEB, OUTSIDE, 80, false),
        ],
    );
    // Only of the pods that are meant.
    check(
        &[json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [
            { "to": [{ "podSelector": app("db") }], "ports": [{ "port": "http" }, { "port": 443 }] },
        ] })],
        &[
            (WEB, DB, 9187, true),
            (WEB, DB, 443, true),
            (WEB, OTHER, 80, false),
            (WEB, DB, 5432, false),
        ],
    );
}
