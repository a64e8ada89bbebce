//! Services of a sandbox are reached from inside it alone.

use serde_json::{Value, json};

/// Fields that ask for something outside the cluster's own network.
const OUTSIDE: &[&str] = &[
    "allocateLoadBalancerNodePorts",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
];

/// Makes a Service an internal one. `ExternalName` is only a name and stays.
pub(super) fn keep_inside(service: &mut Value) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if matches!(
        spec.get("type").and_then(Value::as_str),
        Some("LoadBalancer" | "NodePort")
    ) {
        spec.insert("type".to_owned(), json!("ClusterIP"));
    }
    spec.retain(|field, _| !OUTSIDE.contains(&field.as_str()));
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
}
