//! Where a persistent volume is kept, comparable between volumes.

use serde_json::{Map, Value};

/// Where a volume is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Somewhere that every copy of the volume shares with its original, for example an NFS export.
    Shared(String),
    /// In one place, such as a disk; two volumes in one place are one disk.
    At(String),
}

/// Fields of a `PersistentVolumeSpec` that are not its source.
const NOT_A_SOURCE: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];
/// Sources that name a path or a share: whatever copies the object, copies the address.
const SHARED: &[&str] = &[
    "nfs",
    "hostPath",
    "local",
    "cephfs",
    "glusterfs",
    "azureFile",
    "quobyte",
];
/// Fields of a source that say how, not where.
const NOT_A_PLACE: &[&str] = &["fsType", "readOnly", "partition", "user", "keyring"];

/// Where the volume of this `spec` is kept.
#[must_use]
pub fn place(spec: &Value) -> Place {
    let source = spec.as_object().and_then(|spec| {
        spec.iter()
            .find(|(key, value)| !NOT_A_SOURCE.contains(&key.as_str()) && value.is_object())
    });
    let Some((kind, source)) = source else {
        return Place::Shared("unknown".to_owned());
    };
    if SHARED.contains(&kind.as_str()) {
        return Place::Shared(kind.clone());
    }
    if kind == "csi" {
        let text = |key: &str| source[key].as_str().unwrap_or_default();
        return Place::At(format!("csi {} {}", text("driver"), text("volumeHandle")));
    }
    let address: Map<String, Value> = source
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !NOT_A_PLACE.contains(&key.as_str()) && !key.ends_with("Ref"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Place::At(format!("{kind} {}", Value::Object(address)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_disk_is_the_same_place_however_it_is_mounted() {
        let csi = |extra: Value| {
            let mut source = json!({ "driver": "ebs.csi.aws.com", "volumeHandle": "vol-1" });
            source
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            place(&json!({ "capacity": { "storage": "1Gi" }, "csi": source }))
        };
        assert_eq!(csi(json!({ "fsType": "ext4" })), csi(json!({ "readOnly": true })));
        assert_ne!(csi(json!({})), csi(json!({ "volumeHandle": "vol-2" })));
        let disk = |fs: &str| place(&json!({ "gcePersistentDisk": { "pdName": "d", "fsType": fs } }));
        assert_eq!(disk("ext4"), disk("xfs"));
        assert_ne!(
            disk("ext4"),
            place(&json!({ "gcePersistentDisk": { "pdName": "e" } }))
        );
    }

    #[test]
    fn shares_and_what_is_not_known_are_never_copied() {
        let nfs = json!({ "nfs": { "server": "files", "path": "/x" }, "accessModes": ["ReadWriteMany"] });
        assert_eq!(place(&nfs), Place::Shared("nfs".into()));
        assert_eq!(place(&json!({ "capacity": {} })), Place::Shared("unknown".into()));
        assert_eq!(place(&json!(null)), Place::Shared("unknown".into()));
    }
}
