//! Whether the cluster is complete: the node, its DNS, Velero and Velero's storage.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Request};
use kube::{Api, Client};
use serde_json::Value;

use crate::places::NODE_NAME;
use crate::progress::Progress;

const LIMIT: Duration = Duration::from_mins(3);

/// What is not as it should be, in words.
pub type Waiting = Vec<String>;

/// One thing that has to be right.
struct Part {
    title: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    namespace: Option<&'static str>,
    name: &'static str,
    is_right: fn(&Value) -> bool,
}

const PARTS: [Part; 5] = [
    Part {
        title: "the node",
        group: "",
        version: "v1",
        kind: "Node",
        namespace: None,
        name: NODE_NAME,
        is_right: |node| has_condition(node, "Ready"),
    },
    Part {
        title: "the cluster's DNS",
        group: "apps",
        version: "v1",
        kind: "Deployment",
        namespace: Some("kube-system"),
        name: "coredns",
        is_right: |deployment| is_rolled_out(deployment),
    },
    Part {
        title: "Velero",
        group: "apps",
        version: "v1",
        kind: "Deployment",
        namespace: Some("velero"),
        name: "velero",
        is_right: |deployment| is_rolled_out(deployment),
    },
    Part {
        title: "Velero's node agent",
        group: "apps",
        version: "v1",
        kind: "DaemonSet",
        namespace: Some("velero"),
        name: "node-agent",
        is_right: |set| set["status"]["numberReady"].as_u64().unwrap_or(0) >= 1,
    },
    Part {
        title: "Velero's storage location",
        group: "velero.io",
        version: "v1",
        kind: "BackupStorageLocation",
        namespace: Some("velero"),
        name: "default",
        is_right: |location| location["status"]["phase"] == "Available",
    },
];

/// What is missing now; nothing when the cluster is complete.
pub async fn missing(client: &Client) -> Waiting {
    let parts = missing_parts(client).await;
    // Only when the rest works is there anybody to ask.
    if parts.is_empty() && !knows_its_pods(client).await {
        return vec!["the kubelet's view of its pods".to_owned()];
    }
    parts
}

async fn missing_parts(client: &Client) -> Waiting {
    join_all(PARTS.iter().map(|part| is_missing(client, part)))
        .await
        .into_iter()
        .flatten()
        .collect()
}

pub(super) async fn until_ready(client: &Client, progress: &dyn Progress) -> Result<()> {
    let started = Instant::now();
    loop {
        let missing = missing(client).await;
        if missing.is_empty() {
            return Ok(());
        }
        let list = missing.join(", ");
        if started.elapsed() > LIMIT {
            bail!(
                "not ready after {} s: {list}; see `cargo xtask cluster logs`",
                LIMIT.as_secs()
            );
        }
        progress.update(&format!("waiting for {list}, {} s", started.elapsed().as_secs()));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn is_missing(client: &Client, part: &Part) -> Option<String> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(part.group, part.version, part.kind));
    let api: Api<DynamicObject> = match part.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let found = tokio::time::timeout(Duration::from_secs(5), api.get_opt(part.name)).await;
    match found {
        Ok(Ok(Some(object))) if (part.is_right)(&object.data) => None,
        _ => Some(part.title.to_owned()),
    }
}

/// Whether the kubelet has heard of every running pod. For a second or two after its start it has not, and refuses
/// exec and port-forward though it says it is healthy.
async fn knows_its_pods(client: &Client) -> bool {
    let running = Api::<Pod>::all(client.clone());
    let selector = ListParams::default().fields("status.phase=Running");
    let request = Request::new(format!("/api/v1/nodes/{NODE_NAME}/proxy/pods")).list(&ListParams::default());
    let Ok(request) = request else {
        return false;
    };
    let (Ok(running), Ok(known)) = (
        running.list_metadata(&selector).await,
        client.request::<Value>(request).await,
    ) else {
        return false;
    };
    let known: HashSet<&str> = known["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pod| pod["metadata"]["uid"].as_str())
        .collect();
    running
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .all(|pod| pod.metadata.uid.as_deref().is_some_and(|uid| known.contains(uid)))
}

fn has_condition(object: &Value, wanted: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == wanted && condition["status"] == "True")
}

fn is_rolled_out(deployment: &Value) -> bool {
    let status = &deployment["status"];
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    status["updatedReplicas"].as_u64() == Some(wanted) && status["availableReplicas"].as_u64() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_counts_when_all_its_pods_are_available() {
        let deployment = |updated, available| json!({"spec": {"replicas": 1}, "status": {"updatedReplicas": updated, "availableReplicas": available}});
        assert!(is_rolled_out(&deployment(1, 1)));
        assert!(!is_rolled_out(&deployment(1, 0)));
        assert!(!is_rolled_out(&deployment(0, 1)));
        assert!(!is_rolled_out(&json!({"spec": {"replicas": 1}})));
    }

    #[test]
    fn conditions_are_found_by_type() {
        let node = json!({"status": {"conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": "True"},
        ]}});
        assert!(has_condition(&node, "Ready"));
        assert!(!has_condition(&node, "MemoryPressure"));
    }
}
