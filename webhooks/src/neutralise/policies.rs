//! Policies of a network are a union of allows: in a sandbox none but the operator's own may allow anything.

use serde_json::{Map, Value};

/// Takes from a policy all that it allows. What is left selects pods for nothing, and they are closed in already.
pub(super) fn allow_nothing(policy: &mut Value) {
    if let Some(spec) = policy.get_mut("spec").and_then(Value::as_object_mut) {
        drop_rules(spec);
    }
    // Cilium takes several.
    let specs = policy.get_mut("specs").and_then(Value::as_array_mut);
    for spec in specs.into_iter().flatten().filter_map(Value::as_object_mut) {
        drop_rules(spec);
    }
}

fn drop_rules(spec: &mut Map<String, Value>) {
    spec.retain(|field, rules| {
        let is_allow = matches!(field.as_str(), "ingress" | "egress");
        !is_allow || rules.as_array().is_some_and(Vec::is_empty)
    });
}
