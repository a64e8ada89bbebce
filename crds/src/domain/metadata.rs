//! What Kubernetes asks of an object's name, namespace and labels.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    NamespaceName,
    invalid::Invalid,
    label, name,
    problems::{Problems, set},
};

/// Checks the metadata that people write.
///
/// # Errors
/// All that is wrong with it, with paths that begin with `metadata`.
pub fn check_metadata(metadata: &ObjectMeta) -> Result<(), Invalid> {
    let mut problems = Problems::default();
    match set(metadata.name.as_deref()) {
        Some(name) => drop(problems.ok("metadata.name", name, name::subdomain(name))),
        None if set(metadata.generate_name.as_deref()).is_none() => {
            problems.report("metadata.name", "", "is missing; write a name");
        }
        None => {}
    }
    if let Some(namespace) = set(metadata.namespace.as_deref()) {
        problems.ok(
            "metadata.namespace",
            namespace,
            namespace.parse::<NamespaceName>(),
        );
    }
    let labels = metadata.labels.clone().unwrap_or_default();
    label::parse_selector(&labels, "metadata.labels", &mut problems);
    problems.finish(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(metadata: serde_json::Value) -> Vec<String> {
        let metadata = serde_json::from_value(metadata).unwrap();
        let errors = check_metadata(&metadata).err().map(|invalid| invalid.0);
        errors.unwrap_or_default().into_iter().map(|e| e.path).collect()
    }

    #[test]
    fn names_namespaces_and_labels_follow_kubernetes() {
        let none: [&str; 0] = [];
        assert_eq!(
            paths(serde_json::json!({ "name": "a.b", "namespace": "n", "labels": { "a/b": "c" } })),
            none
        );
        assert_eq!(paths(serde_json::json!({ "generateName": "a-" })), none);
        assert_eq!(paths(serde_json::json!({})), ["metadata.name"]);
        assert_eq!(
            paths(serde_json::json!({ "name": "A", "namespace": "a.b", "labels": { "a b": "c", "d": "-" } })),
            [
                "metadata.name",
                "metadata.namespace",
                "metadata.labels[a b]",
                "metadata.labels[d]"
            ]
        );
    }
}
