//! Closing a namespace, and opening it to itself.

use serde_json::json;

use crate::bench::{deny_all, with_namespaces};

#[tokio::test]
async fn deny_all_blocks_in_and_out_until_it_is_deleted() {
    with_namespaces(["closed", "open"], async |bench| {
        bench.client("closed", "client").await;
        bench.client("open", "client").await;
        let inside = bench.server("closed", "server").await;
        let outside = bench.server("open", "server").await;
        bench.opens("closed", "client", &outside, 8080).await;
        bench.opens("closed", "client", &inside, 8080).await;
        bench.opens("open", "client", &inside, 8080).await;

        bench.policy("closed", "deny-all", deny_all()).await;
        bench.closes("closed", "client", &outside, 8080).await;
        bench.is_closed("closed", "client", &inside, 8080).await;
        bench.is_closed("open", "client", &inside, 8080).await;
        bench.opens("open", "client", &outside, 8080).await;

        bench.drop_policy("closed", "deny-all").await;
        bench.opens("closed", "client", &outside, 8080).await;
        bench.opens("open", "client", &inside, 8080).await;
    })
    .await;
}

#[tokio::test]
async fn a_namespace_can_be_open_to_itself_only() {
    with_namespaces(["closed", "open"], async |bench| {
        let inside = json!([{ "podSelector": {} }]);
        bench.policy("closed", "deny-all", deny_all()).await;
        bench
            .policy(
                "closed",
                "inside",
                json!({
                    "podSelector": {},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{ "from": inside }],
                    "egress": [{ "to": inside }],
                }),
            )
            .await;
        bench.client("closed", "client").await;
        bench.client("open", "client").await;
        let server = bench.server("closed", "server").await;
        let outside = bench.server("open", "server").await;
        let service = bench.service("closed", "server").await;
        let outside_service = bench.service("open", "server").await;

        bench.opens("closed", "client", &server, 8080).await;
        // Rules see the address behind the Service.
        bench.opens("closed", "client", &service, 80).await;
        // A pod that reaches itself through its Service.
        bench.opens("closed", "server", &service, 80).await;

        bench.opens("open", "client", &outside_service, 80).await;
        bench.is_closed("closed", "client", &outside, 8080).await;
        bench.is_closed("closed", "client", &outside_service, 80).await;
        bench.is_closed("open", "client", &server, 8080).await;
        bench.is_closed("open", "client", &service, 80).await;
    })
    .await;
}

#[tokio::test]
async fn only_the_selected_direction_and_pods_are_isolated() {
    with_namespaces(["shop", "open"], async |bench| {
        bench
            .policy("shop", "guard-db", json!({
                "podSelector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["db"] }] },
                "policyTypes": ["Ingress"],
                "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "app": "web" } } }] }],
            }))
            .await;
        let db = bench.server("shop", "db").await;
        let web = bench.server("shop", "web").await;
        bench.client("open", "client").await;

        bench.opens("shop", "web", &db, 8080).await;
        bench.opens("shop", "db", &web, 8080).await;
        bench.opens("open", "client", &web, 8080).await;
        bench.is_closed("open", "client", &db, 8080).await;
    })
    .await;
}
