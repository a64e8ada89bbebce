//! Who and what rules name: blocks of addresses, namespaces, ports by name and by range.

use serde_json::json;

use crate::bench::{deny_all, with_namespaces};

#[tokio::test]
async fn blocks_of_addresses_have_exceptions() {
    with_namespaces(["closed", "open"], async |bench| {
        let allowed = bench.server("open", "allowed").await;
        let excepted = bench.server("open", "excepted").await;
        bench.client("closed", "client").await;
        bench.opens("closed", "client", &excepted, 8080).await;

        bench
            .policy(
                "closed",
                "outside",
                json!({
                    "podSelector": {},
                    "policyTypes": ["Egress"],
                    "egress": [{ "to": [{ "ipBlock": {
                        "cidr": "0.0.0.0/0",
                        // Two that overlap, which nftables would refuse in a set.
                        "except": [format!("{excepted}/32"), "192.0.2.0/24", "192.0.2.0/25"],
                    } }] }],
                }),
            )
            .await;
        bench.closes("closed", "client", &excepted, 8080).await;
        bench.opens("closed", "client", &allowed, 8080).await;
    })
    .await;
}

#[tokio::test]
async fn named_ports_are_those_of_the_receiving_pod() {
    with_namespaces(["closed", "open"], async |bench| {
        bench
            .policy(
                "closed",
                "http",
                json!({
                    "podSelector": {},
                    "policyTypes": ["Ingress"],
                    "ingress": [{ "ports": [{ "port": "http" }] }],
                }),
            )
            .await;
        bench
            .policy(
                "open",
                "to-admin",
                json!({
                    "podSelector": { "matchLabels": { "app": "limited" } },
                    "policyTypes": ["Egress"],
                    "egress": [{ "ports": [{ "port": "admin" }] }],
                }),
            )
            .await;
        let closed = bench.server("closed", "server").await;
        let open = bench.server("open", "server").await;
        bench.client("open", "client").await;
        bench.client("open", "limited").await;

        bench.opens("open", "client", &closed, 8080).await;
        bench.opens("open", "client", &open, 9090).await;
        bench.is_closed("open", "client", &closed, 9090).await;

        bench.opens("open", "limited", &open, 9090).await;
        bench.is_closed("open", "limited", &open, 8080).await;
        // What one side allows is not enough.
        bench.is_closed("open", "limited", &closed, 9090).await;
        bench.is_closed("open", "limited", &closed, 8080).await;
    })
    .await;
}

#[tokio::test]
async fn port_ranges_include_their_ends() {
    with_namespaces(["closed", "open"], async |bench| {
        let server = bench.server("closed", "server").await;
        bench.client("open", "client").await;
        let range = |first: u16, last: u16| {
            json!({
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{ "ports": [{ "port": first, "endPort": last }] }],
            })
        };
        bench.policy("closed", "around", range(8081, 9089)).await;
        bench.closes("open", "client", &server, 8080).await;
        bench.is_closed("open", "client", &server, 9090).await;
        bench.policy("closed", "ends", range(8080, 9090)).await;
        bench.opens("open", "client", &server, 8080).await;
        bench.opens("open", "client", &server, 9090).await;
    })
    .await;
}

#[tokio::test]
async fn namespaces_are_selected_by_their_labels() {
    with_namespaces(["closed", "friend", "stranger"], async |bench| {
        bench.policy("closed", "deny-all", deny_all()).await;
        bench
            .policy(
                "closed",
                "friends",
                json!({
                    "podSelector": {},
                    "policyTypes": ["Ingress"],
                    "ingress": [{ "from": [{
                        "namespaceSelector": { "matchLabels": { "team": "friend" } },
                        "podSelector": { "matchLabels": { "app": "welcome" } },
                    }] }],
                }),
            )
            .await;
        let server = bench.server("closed", "server").await;
        bench.client("friend", "welcome").await;
        bench.client("friend", "unwelcome").await;
        bench.client("stranger", "welcome").await;

        bench.opens("friend", "welcome", &server, 8080).await;
        bench.is_closed("friend", "unwelcome", &server, 8080).await;
        bench.is_closed("stranger", "welcome", &server, 8080).await;
    })
    .await;
}
