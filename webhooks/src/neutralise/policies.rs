//! Policies of a network add up to what is allowed: in a sandbox none but the operator's own may allow anything.

use serde_json::{Map, Value, json};

/// Kinds of them that live in namespaces, by group and resource. Calico's are there twice: as its API server serves them, and as
/// they are stored.
pub const POLICIES: [(&str, &str); 7] = [
    ("networking.k8s.io", "networkpolicies"),
    ("cilium.io", "ciliumnetworkpolicies"),
    ("projectcalico.org", "networkpolicies"),
    ("crd.projectcalico.org", "networkpolicies"),
    ("crd.antrea.io", "networkpolicies"),
    ("networking.gke.io", "fqdnnetworkpolicies"),
    ("networking.k8s.aws", "applicationnetworkpolicies"),
];

/// Whether it is one of them.
pub(super) fn is_policy(group: &str, resource: &str) -> bool {
    POLICIES.contains(&(group, resource))
}

/// Takes from a policy all that it allows. What pods it selects may be closed in by that, which they are already.
pub(super) fn allow_nothing(group: &str, policy: &mut Value) {
    if let Some(spec) = policy.get_mut("spec").and_then(Value::as_object_mut) {
        drop_rules(spec);
        // In a tier of Calico that is asked first, one without rules would deny what the operator's allows.
        if group.ends_with("projectcalico.org") {
            spec.insert("selector".to_owned(), json!("!all()"));
        }
    }
    // Cilium takes several.
    let specs = policy.get_mut("specs").and_then(Value::as_array_mut);
    for spec in specs.into_iter().flatten().filter_map(Value::as_object_mut) {
        drop_rules(spec);
    }
}

/// The lists stay: Cilium refuses a policy that has none.
fn drop_rules(spec: &mut Map<String, Value>) {
    for field in ["ingress", "egress"] {
        if let Some(rules) = spec.get_mut(field) {
            *rules = json!([]);
        }
    }
}

/// Puts back what a policy said before somebody changed it: it allows nothing, or is the operator's own.
pub(super) fn keep(policy: &mut Value, before: &Value) {
    let Some(policy) = policy.as_object_mut() else {
        return;
    };
    for field in ["spec", "specs"] {
        match before.get(field) {
            Some(said) => policy.insert(field.to_owned(), said.clone()),
            None => policy.remove(field),
        };
    }
}
