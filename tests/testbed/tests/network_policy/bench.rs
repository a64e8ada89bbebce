//! Namespaces for one test, and the connections that are tried in them.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Duration, Instant};

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{AttachParams, DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

/// How long anything that should happen may take.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Namespaces of one test.
pub struct Bench {
    pub client: Client,
    /// What the namespaces of this test have in common in their names.
    run: String,
}

/// Runs a test with namespaces of its own, each labelled `team=<its name>`, which are deleted in the end.
pub async fn with_namespaces<const N: usize>(names: [&str; N], test: impl AsyncFnOnce(&Bench)) {
    let cluster = kymaros_testbed::cluster::find().expect("the test cluster");
    let client = cluster.client().await.expect("a client of the test cluster");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let bench = Bench {
        client,
        run: format!("{:x}", now.as_nanos()),
    };
    let namespaces = Api::<Namespace>::all(bench.client.clone());
    for name in names {
        let namespace = json!({ "metadata": { "name": bench.namespace(name), "labels": { "team": name } } });
        namespaces
            .create(
                &PostParams::default(),
                &serde_json::from_value(namespace).unwrap(),
            )
            .await
            .unwrap();
    }
    let outcome = AssertUnwindSafe(test(&bench)).catch_unwind().await;
    for name in names {
        let _ = namespaces
            .delete(&bench.namespace(name), &DeleteParams::default())
            .await;
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Bench {
    /// The full name of a namespace.
    pub fn namespace(&self, name: &str) -> String {
        format!("netpol-{name}-{}", self.run)
    }

    pub fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace(namespace))
    }

    /// Creates a policy.
    pub async fn policy(&self, namespace: &str, name: &str, spec: Value) {
        let policy = json!({ "metadata": { "name": name }, "spec": spec });
        Api::<NetworkPolicy>::namespaced(self.client.clone(), &self.namespace(namespace))
            .create(&PostParams::default(), &serde_json::from_value(policy).unwrap())
            .await
            .unwrap();
    }

    /// Deletes a policy.
    pub async fn drop_policy(&self, namespace: &str, name: &str) {
        Api::<NetworkPolicy>::namespaced(self.client.clone(), &self.namespace(namespace))
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// Creates a Service on port 80 in front of port `http` of the pods with `app: <name>`, and returns its address.
    pub async fn service(&self, namespace: &str, name: &str) -> String {
        let service = json!({
            "metadata": { "name": name },
            "spec": { "selector": { "app": name }, "ports": [{ "port": 80, "targetPort": "http" }] },
        });
        let service = Api::<Service>::namespaced(self.client.clone(), &self.namespace(namespace))
            .create(&PostParams::default(), &serde_json::from_value(service).unwrap())
            .await
            .unwrap();
        service.spec.unwrap().cluster_ip.unwrap()
    }

    /// Runs a command in a pod: whether it succeeded, and what it printed.
    pub async fn exec(&self, namespace: &str, pod: &str, command: &[&str]) -> (bool, String) {
        let parameters = AttachParams::default().stderr(false);
        let mut process = self
            .pods(namespace)
            .exec(pod, command.iter().copied(), &parameters)
            .await
            .unwrap();
        let mut printed = String::new();
        process
            .stdout()
            .unwrap()
            .read_to_string(&mut printed)
            .await
            .unwrap();
        let status = process.take_status().unwrap().await.expect("the exit status");
        (status.status.as_deref() == Some("Success"), printed)
    }

    /// One try to connect, from a new socket.
    pub async fn connects(&self, namespace: &str, pod: &str, host: &str, port: u16) -> bool {
        // An own time limit around it: `nc -w` ends a connection attempt, not a connection.
        let command = format!("timeout 3 nc -w 1 {host} {port} </dev/null");
        self.exec(namespace, pod, &["sh", "-c", &command]).await.0
    }

    /// One try to look up a name.
    pub async fn resolves(&self, namespace: &str, pod: &str, server: &str) -> bool {
        let command = [
            "timeout",
            "3",
            "nslookup",
            "kubernetes.default.svc.cluster.local",
            server,
        ];
        self.exec(namespace, pod, &command).await.0
    }

    /// Tries until the connection is made; new rules and new pods need a moment to be known.
    pub async fn opens(&self, namespace: &str, pod: &str, host: &str, port: u16) {
        until(&format!("{namespace}/{pod} reaches {host}:{port}"), async || {
            self.connects(namespace, pod, host, port).await
        })
        .await;
    }

    /// Tries until the connection is not made any more.
    pub async fn closes(&self, namespace: &str, pod: &str, host: &str, port: u16) {
        until(
            &format!("{namespace}/{pod} is kept from {host}:{port}"),
            async || !self.connects(namespace, pod, host, port).await,
        )
        .await;
    }

    /// The connection is not made, at the first try and without waiting for that.
    pub async fn is_closed(&self, namespace: &str, pod: &str, host: &str, port: u16) {
        let connected = self.connects(namespace, pod, host, port).await;
        assert!(!connected, "{namespace}/{pod} reaches {host}:{port}");
    }
}

/// Asks until the answer is yes.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !ask().await {
        assert!(start.elapsed() < DEADLINE, "it did not happen that {what}");
    }
}

/// Nothing in, nothing out.
pub fn deny_all() -> Value {
    json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })
}
