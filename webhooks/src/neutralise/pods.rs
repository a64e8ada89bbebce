//! Pods of a sandbox never displace anything, and ask the node for nothing.

use serde_json::{Value, json};

use crate::contain::POD_SPECS;

/// Lowers every pod an object describes. Deployments and the `ReplicaSets` of a restore are changed alike, so that
/// they still know each other.
pub(super) fn lower(object: &mut Value, priority_class: &str) {
    for path in POD_SPECS {
        if let Some(spec) = object
            .pointer_mut(path)
            .filter(|spec| spec["containers"].is_array())
        {
            lower_spec(spec, priority_class);
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

fn lower_spec(spec: &mut Value, priority_class: &str) {
    // A pod that has the class already also has what the API server worked out from it.
    let other = spec["priorityClassName"] != priority_class;
    if let Some(spec) = spec.as_object_mut().filter(|_| other) {
        spec.remove("priority");
        spec.remove("preemptionPolicy");
        spec.insert("priorityClassName".to_owned(), json!(priority_class));
    }
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
