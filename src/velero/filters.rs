//! What a Backup's own filters leave out.

use super::types::{Backup, BackupSpec};

/// Whether the filters take in a namespace. Velero 1.18 also knows glob patterns; a pattern is taken to match here,
/// since the backup's resource list decides before anything is restored.
pub(super) fn holds(backup: &Backup, namespace: &str) -> bool {
    let is_pattern = |p: &str| p.contains(['*', '?', '[', '{']);
    let included = backup.spec.included_namespaces.as_deref().unwrap_or_default();
    let excluded = backup.spec.excluded_namespaces.as_deref().unwrap_or_default();
    let taken_in = included.is_empty() || included.iter().any(|p| p == namespace || is_pattern(p));
    taken_in && !excluded.iter().any(|p| p == namespace)
}

/// Whether the filters leave out `PersistentVolumes`. Then Velero records no volume of a claim but those that it copied
/// file by file.
pub(super) fn omits_volumes(spec: &BackupSpec) -> bool {
    let names_volumes = |kinds: &Option<Vec<String>>| kinds.iter().flatten().any(|kind| is_volumes(kind));
    let names_others =
        |kinds: &Option<Vec<String>>| kinds.iter().any(|k| !k.is_empty()) && !names_volumes(kinds);
    spec.include_cluster_resources == Some(false)
        || names_volumes(&spec.excluded_resources)
        || names_volumes(&spec.excluded_cluster_scoped_resources)
        || names_others(&spec.included_resources)
        || names_others(&spec.included_cluster_scoped_resources)
}

/// Velero takes plurals, singulars and short names, with and without a group.
fn is_volumes(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(
        kind.split('.').next(),
        Some("*" | "persistentvolumes" | "persistentvolume" | "pv")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn omits(spec: serde_json::Value) -> bool {
        omits_volumes(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn every_way_to_leave_volumes_out_is_known() {
        for spec in [
            serde_json::json!({ "includeClusterResources": false }),
            serde_json::json!({ "excludedResources": ["secrets", "persistentvolumes"] }),
            serde_json::json!({ "excludedClusterScopedResources": ["*"] }),
            serde_json::json!({ "includedResources": ["deployments.apps", "persistentvolumeclaims"] }),
            serde_json::json!({ "includedClusterScopedResources": ["storageclasses.storage.k8s.io"] }),
        ] {
            assert!(omits(spec.clone()), "{spec}");
        }
    }

    #[test]
    fn volumes_come_along_unless_somebody_says_otherwise() {
        for spec in [
            serde_json::json!({}),
            serde_json::json!({ "includeClusterResources": true, "excludedResources": ["secrets"] }),
            serde_json::json!({ "includedResources": ["*"] }),
            serde_json::json!({ "includedResources": ["pvc", "PV"] }),
            serde_json::json!({ "includedResources": [], "includedClusterScopedResources": [] }),
        ] {
            assert!(!omits(spec.clone()), "{spec}");
        }
    }
}
