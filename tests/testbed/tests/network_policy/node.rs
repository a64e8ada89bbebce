//! What a closed namespace has to do with the node: the kubelet and the API server reach its pods, its pods reach
//! nothing of the node.

use k8s_openapi::api::core::v1::{Node, Service};
use kube::Api;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, deny_all, with_namespaces};
use crate::pods::container;

#[tokio::test]
async fn only_dns_passes_where_only_dns_is_allowed() {
    with_namespaces(["closed", "open"], async |bench| {
        let dns = cluster_ip(bench, "kube-system", "kube-dns").await;
        let api_server = cluster_ip(bench, "default", "kubernetes").await;
        let node = node_address(bench).await;
        let server = bench.server("open", "server").await;
        bench
            .policy(
                "closed",
                "dns",
                json!({
                    "podSelector": {},
                    "policyTypes": ["Ingress", "Egress"],
                    "egress": [{
                        "to": [{ "namespaceSelector": { "matchLabels": {
                            "kubernetes.io/metadata.name": "kube-system",
                        } } }],
                        "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }],
                    }],
                }),
            )
            .await;
        bench.client("closed", "client").await;
        bench.client("open", "client").await;

        bench.until_resolves("open", &dns).await;
        bench.until_resolves("closed", &dns).await;
        bench.opens("closed", "client", &dns, 53).await;
        for (host, port) in [(&api_server, 443), (&node, 6443), (&node, 10250), (&server, 8080)] {
            bench.opens("open", "client", host, port).await;
            bench.is_closed("closed", "client", host, port).await;
        }
    })
    .await;
}

#[tokio::test]
async fn exec_and_port_forward_work_in_a_closed_namespace() {
    with_namespaces(["closed", "open"], async |bench| {
        bench.policy("closed", "deny-all", deny_all()).await;
        let server = bench.server("closed", "server").await;
        bench.client("open", "client").await;
        bench.is_closed("open", "client", &server, 8080).await;

        let (succeeded, printed) = bench.exec("closed", "server", &["cat", "/tmp/index.html"]).await;
        assert!(succeeded);
        assert_eq!(printed, "hello\n");

        let mut forward = bench.pods("closed").portforward("server", &[8080]).await.unwrap();
        let mut stream = forward.take_stream(8080).unwrap();
        stream
            .write_all(b"GET /index.html HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn probes_of_the_kubelet_work_in_a_closed_namespace() {
    with_namespaces(["closed"], async |bench| {
        bench.policy("closed", "deny-all", deny_all()).await;
        let mut servers = Vec::new();
        for (name, probe) in [
            (
                "http",
                json!({ "httpGet": { "path": "/index.html", "port": "http" }, "periodSeconds": 1 }),
            ),
            (
                "tcp",
                json!({ "tcpSocket": { "port": 8080 }, "periodSeconds": 1 }),
            ),
            (
                "exec",
                json!({ "exec": { "command": ["cat", "/tmp/index.html"] }, "periodSeconds": 1 }),
            ),
        ] {
            let mut server = container("echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp");
            server["readinessProbe"] = probe;
            // Returns once the pod is ready.
            servers.push(bench.pod("closed", name, server).await);
        }
        bench.is_closed("closed", "http", &servers[1], 8080).await;
    })
    .await;
}

#[tokio::test]
async fn the_node_can_be_allowed_by_its_address() {
    with_namespaces(["closed"], async |bench| {
        let api_server = cluster_ip(bench, "default", "kubernetes").await;
        let node = node_address(bench).await;
        bench.policy("closed", "deny-all", deny_all()).await;
        bench.client("closed", "client").await;
        bench.is_closed("closed", "client", &api_server, 443).await;
        bench
            .policy("closed", "api-server", to_address(&node, 6443))
            .await;
        // Its Service, too: the rule names what is behind that.
        bench.opens("closed", "client", &api_server, 443).await;
        bench.opens("closed", "client", &node, 6443).await;
        bench.is_closed("closed", "client", &node, 10250).await;
    })
    .await;
}

fn to_address(address: &str, port: u16) -> Value {
    json!({
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{ "to": [{ "ipBlock": { "cidr": format!("{address}/32") } }], "ports": [{ "port": port }] }],
    })
}

impl Bench {
    async fn until_resolves(&self, namespace: &str, dns: &str) {
        crate::bench::until(&format!("{namespace}/client looks up names"), async || {
            self.resolves(namespace, "client", dns).await
        })
        .await;
    }
}

async fn cluster_ip(bench: &Bench, namespace: &str, name: &str) -> String {
    let service = Api::<Service>::namespaced(bench.client.clone(), namespace)
        .get(name)
        .await
        .unwrap();
    service.spec.unwrap().cluster_ip.unwrap()
}

async fn node_address(bench: &Bench) -> String {
    let nodes = Api::<Node>::all(bench.client.clone())
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    let addresses = nodes
        .items
        .into_iter()
        .next()
        .unwrap()
        .status
        .unwrap()
        .addresses
        .unwrap();
    addresses
        .into_iter()
        .find(|address| address.type_ == "InternalIP")
        .unwrap()
        .address
}
