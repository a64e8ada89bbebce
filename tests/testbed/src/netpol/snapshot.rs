//! What is known of the cluster at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::intervals::Intervals;
use super::ports::Protocol;
use super::selectors::Labels;

/// What is known of the cluster at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The policies of all namespaces.
    pub policies: Vec<Arc<NetworkPolicy>>,
    /// The pods that have a network of their own.
    pub pods: Vec<Pod>,
    /// The labels of each namespace.
    pub namespaces: BTreeMap<String, Labels>,
    /// The addresses that pods get.
    pub pod_range: Intervals,
}

/// A pod, as far as a policy can tell pods apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Where it is.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// Its address; two while its sandbox is replaced, none before it has one.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// The ports that its containers name.
    pub ports: Vec<NamedPort>,
}

/// A port with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// The protocol; the same name may stand for two ports of different protocols.
    pub protocol: Protocol,
    /// The number.
    pub number: u16,
}

impl Pod {
    /// The pod with the given addresses; none if policies do not concern it, because it is in the network of the
    /// node, or has finished, so that its address may be another's by now.
    #[must_use]
    pub fn from_api(pod: &v1::Pod, addresses: BTreeSet<Ipv4Addr>) -> Option<Self> {
        if !has_own_network(pod) || is_finished(pod) {
            return None;
        }
        let spec = pod.spec.as_ref()?;
        // An init container that restarts runs as long as the pod does, and can be a server.
        let sidecars = spec
            .init_containers
            .iter()
            .flatten()
            .filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let ports = spec
            .containers
            .iter()
            .chain(sidecars)
            .flat_map(|container| container.ports.iter().flatten());
        Some(Self {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            addresses,
            ports: ports.filter_map(NamedPort::from_api).collect(),
        })
    }

    /// The number of a named port.
    #[must_use]
    pub fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        self.ports
            .iter()
            .find(|port| port.name == name && port.protocol == protocol)
            .map(|port| port.number)
    }
}

impl NamedPort {
    fn from_api(port: &v1::ContainerPort) -> Option<Self> {
        Some(Self {
            name: port.name.clone()?,
            protocol: Protocol::from_api(port.protocol.as_deref())?,
            number: u16::try_from(port.container_port).ok()?,
        })
    }
}

/// Whether the pod has addresses of its own, not the node's.
#[must_use]
pub fn has_own_network(pod: &v1::Pod) -> bool {
    pod.spec
        .as_ref()
        .is_some_and(|spec| spec.host_network != Some(true))
}

/// Whether the pod's containers are gone for good.
#[must_use]
pub fn is_finished(pod: &v1::Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: &Value, phase: &str) -> Option<Pod> {
        let pod = json!({
            "metadata": { "name": "a", "namespace": "shop", "labels": { "app": "web" } },
            "spec": spec,
            "status": { "phase": phase },
        });
        Pod::from_api(&serde_json::from_value(pod).unwrap(), BTreeSet::new())
    }

    #[test]
    fn pods_that_policies_do_not_concern_are_left_out() {
        let plain = json!({ "containers": [] });
        let on_host = json!({ "containers": [], "hostNetwork": true });
        assert!(pod(&plain, "Pending").is_some());
        assert!(pod(&plain, "Running").is_some());
        assert!(pod(&plain, "Succeeded").is_none());
        assert!(pod(&plain, "Failed").is_none());
        assert!(pod(&on_host, "Running").is_none());
    }

    #[test]
    fn named_ports_of_containers_that_last_are_known() {
        let ports = |number: u16, name: &str| json!([{ "name": name, "containerPort": number }]);
        let found = pod(
            &json!({
                "containers": [{ "name": "a", "ports": [
                    { "name": "dns", "containerPort": 53, "protocol": "UDP" },
                    { "name": "dns", "containerPort": 5353, "protocol": "TCP" },
                    { "containerPort": 1 },
                ] }],
                "initContainers": [
                    { "name": "sidecar", "restartPolicy": "Always", "ports": ports(8080, "proxy") },
                    { "name": "setup", "ports": ports(9, "setup") },
                ],
            }),
            "Running",
        )
        .unwrap();
        assert_eq!(found.port("dns", Protocol::Udp), Some(53));
        assert_eq!(found.port("dns", Protocol::Tcp), Some(5353));
        assert_eq!(found.port("proxy", Protocol::Tcp), Some(8080));
        assert_eq!(found.port("setup", Protocol::Tcp), None);
    }
}
