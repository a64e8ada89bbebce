//! The pods that connect, and those that are connected to.

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::bench::{Bench, DEADLINE};

impl Bench {
    /// A server at ports 8080, called `http`, and 9090, called `admin`; returns its address.
    pub async fn server(&self, namespace: &str, name: &str) -> String {
        let script = "echo hello >/tmp/index.html; httpd -p 9090 -h /tmp; exec httpd -f -p 8080 -h /tmp";
        self.pod(namespace, name, container(script)).await
    }

    /// A pod that commands are run in; returns its address.
    pub async fn client(&self, namespace: &str, name: &str) -> String {
        self.pod(namespace, name, container("exec sleep 3600")).await
    }

    /// A pod with the label `app: <name>`; returns its address once it is ready.
    pub async fn pod(&self, namespace: &str, name: &str, container: Value) -> String {
        self.create(namespace, name, container, "Always").await;
        let ready = await_condition(self.pods(namespace), name, |pod: Option<&Pod>| {
            let status = pod.and_then(|pod| pod.status.as_ref());
            let conditions = status.and_then(|status| status.conditions.as_ref());
            conditions
                .into_iter()
                .flatten()
                .any(|is| is.type_ == "Ready" && is.status == "True")
        });
        let pod = tokio::time::timeout(DEADLINE, ready).await;
        let pod = pod
            .unwrap_or_else(|_| panic!("{namespace}/{name} is not ready"))
            .unwrap()
            .unwrap();
        pod.status.unwrap().pod_ip.unwrap()
    }

    /// A pod that runs once; returns what it printed.
    pub async fn job(&self, namespace: &str, name: &str, script: &str) -> String {
        self.create(namespace, name, container(script), "Never").await;
        let finished = await_condition(self.pods(namespace), name, |pod: Option<&Pod>| {
            let phase = pod
                .and_then(|pod| pod.status.as_ref())
                .and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        });
        let finished = tokio::time::timeout(DEADLINE, finished).await;
        finished
            .unwrap_or_else(|_| panic!("{namespace}/{name} has not finished"))
            .unwrap();
        self.pods(namespace)
            .logs(name, &kube::api::LogParams::default())
            .await
            .unwrap()
    }

    async fn create(&self, namespace: &str, name: &str, container: Value, restart: &str) {
        let pod = json!({
            "metadata": { "name": name, "labels": { "app": name } },
            "spec": {
                "restartPolicy": restart,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "containers": [container],
            },
        });
        let pod = serde_json::from_value(pod).unwrap();
        self.pods(namespace)
            .create(&PostParams::default(), &pod)
            .await
            .unwrap();
    }
}

/// A container that runs a script.
pub fn container(script: &str) -> Value {
    json!({
        "name": "main",
        "image": "kymaros.test/busybox:1",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "ports": [{ "name": "http", "containerPort": 8080 }, { "name": "admin", "containerPort": 9090 }],
        "resources": { "requests": { "cpu": "5m", "memory": "8Mi" }, "limits": { "memory": "64Mi" } },
    })
}
