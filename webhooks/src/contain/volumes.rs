//! Volumes written straight into a pod: a copy of such a pod would use production's own storage.

use serde_json::Value;

/// Where a pod's spec is in kinds that make pods.
const POD_SPECS: &[&str] = &[
    "/spec",
    "/spec/template/spec",
    "/spec/jobTemplate/spec/template/spec",
];
/// Volume types that a pod brings along or that only live as long as it; everything else reaches out of the sandbox.
const INSIDE: &[&str] = &[
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "gitRepo",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// Inline CSI drivers whose volumes are read-only copies of secrets.
const READ_ONLY_DRIVERS: &[&str] = &["secrets-store.csi.k8s.io"];

/// Why the pods of an object would reach out of the sandbox; `None` when they do not.
pub(crate) fn reaches_outside(object: &Value) -> Option<String> {
    POD_SPECS
        .iter()
        .filter_map(|path| object.pointer(path)?.get("volumes")?.as_array())
        .flatten()
        .find_map(outside)
}

fn outside(volume: &Value) -> Option<String> {
    let name = volume["name"].as_str().unwrap_or_default();
    let source = volume.as_object()?.keys().find(|key| *key != "name")?;
    if INSIDE.contains(&source.as_str()) {
        return None;
    }
    let driver = volume["csi"]["driver"].as_str().unwrap_or_default();
    if READ_ONLY_DRIVERS.contains(&driver) {
        return None;
    }
    Some(format!(
        "its volume {name:?} of type {source} is production's own storage"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn storage_named_in_a_pod_is_found_wherever_the_pod_is_described() {
        let volumes =
            json!([{ "name": "c", "configMap": {} }, { "name": "data", "nfs": { "server": "files" } }]);
        for object in [
            json!({ "spec": { "volumes": volumes } }),
            json!({ "spec": { "template": { "spec": { "volumes": volumes } } } }),
            json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": { "volumes": volumes } } } } } }),
        ] {
            assert!(reaches_outside(&object).unwrap().contains("\"data\" of type nfs"));
        }
    }

    #[test]
    fn what_a_pod_brings_along_is_fine() {
        let object = json!({ "spec": { "volumes": [
            { "name": "a", "emptyDir": {} }, { "name": "b", "persistentVolumeClaim": { "claimName": "b" } },
            { "name": "s", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true } },
            { "name": "none" },
        ] } });
        assert_eq!(reaches_outside(&object), None);
        assert_eq!(reaches_outside(&json!({ "spec": { "volumes": "odd" } })), None);
        let csi = json!({ "spec": { "volumes": [{ "name": "d", "csi": { "driver": "smb.csi.k8s.io" } }] } });
        assert!(reaches_outside(&csi).is_some());
    }
}
