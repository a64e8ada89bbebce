//! Pods of a sandbox never displace anything, and ask the node for nothing.

use serde_json::{Value, json};

/// Lowers a pod. What describes pods stays as it is: a `StatefulSet` or a `DaemonSet` that is changed would make all of its pods
/// anew, and each pod of a sandbox comes by here.
pub(super) fn lower(pod: &mut Value, priority_class: &str) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    // A pod that has the class already also has what the API server worked out from it.
    if spec.get("priorityClassName").and_then(Value::as_str) != Some(priority_class) {
        spec.remove("priority");
        spec.remove("preemptionPolicy");
        spec.insert("priorityClassName".to_owned(), json!(priority_class));
    }
    // Whoever sets these conditions, such as the controller of a load balancer, knows nothing of a sandbox.
    spec.remove("readinessGates");
    for containers in ["containers", "initContainers"] {
        let containers = spec.get_mut(containers).and_then(Value::as_array_mut);
        for port in containers
            .into_iter()
            .flatten()
            .filter_map(|c| c.get_mut("ports")?.as_array_mut())
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            port.remove("hostPort");
        }
    }
}

/// Takes from a pod a priority by which it may displace pods of production, which mostly have none.
pub(super) fn give_way(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let priority = spec.get("priority").and_then(Value::as_i64);
    if priority.is_some_and(|priority| priority > 0) {
        spec.remove("priority");
    }
}
