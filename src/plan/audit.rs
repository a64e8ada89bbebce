//! After the restore: whatever came back outside of the plan is an escape.

use std::collections::BTreeMap;

use super::{Fate, fate};
use crate::velero::{
    kinds,
    results::{ItemAction, ObjectId, RestoredObjects, Written},
};

/// What Velero makes for the whole cluster and for the claims of its sandboxes alone: it never looks through such kinds by
/// itself when a Restore names its namespaces, but follows claims to their volumes and snapshots.
const OF_CLAIMS: &[&str] = &[
    "persistentvolumes",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
];

/// Objects that Velero wrote and that no plan has: in a namespace that is no sandbox of the run, for the whole cluster, or of
/// a kind that stays out. One sentence each; there should never be any.
#[must_use]
pub fn escapes(restored: &RestoredObjects, mapping: &BTreeMap<String, String>) -> Vec<String> {
    let for_the_cluster = restored.cluster.iter();
    let mut escapes: Vec<String> = for_the_cluster
        .filter_map(|(object, written)| beyond_sandboxes(object, *written))
        .collect();
    for (namespace, objects) in &restored.objects {
        let is_sandbox = mapping.values().any(|sandbox| sandbox == namespace);
        for (object, action) in objects {
            match (action, is_sandbox, fate(object)) {
                (ItemAction::Failed | ItemAction::Skipped, _, _)
                | (ItemAction::Present, true, Fate::Kept | Fate::Rewritten(_)) => {}
                (ItemAction::Present, false, _) => {
                    escapes.push(format!(
                        "{} came back in namespace {namespace}, which is no sandbox",
                        object.display()
                    ));
                }
                (ItemAction::Present, true, Fate::Excluded(why)) => {
                    escapes.push(format!(
                        "{} came back though it must not: it {why}",
                        object.display()
                    ));
                }
            }
        }
    }
    escapes
}

/// What is wrong with an object that was written for the whole cluster. A namespace is never planned: sandboxes stand before
/// Velero restores into them, and one that it made again has no fences.
fn beyond_sandboxes(object: &ObjectId, written: Written) -> Option<String> {
    let is_one_of = |resources: &[&str]| resources.iter().any(|r| kinds::is_resource_of(r, object));
    match written {
        // No Restore of ours changes what is there, and what is there for the whole cluster is production's.
        Written::Changed => Some(format!(
            "{} of the whole cluster was changed by it",
            object.display()
        )),
        Written::New if is_one_of(OF_CLAIMS) => None,
        Written::New => Some(format!(
            "{} came back for the whole cluster, and not into a sandbox",
            object.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(list: serde_json::Value) -> Vec<String> {
        let restored = RestoredObjects::new(&serde_json::from_value(list).unwrap());
        escapes(&restored, &BTreeMap::from([("shop".to_owned(), "sb".to_owned())]))
    }

    #[test]
    fn what_is_planned_is_no_escape() {
        let list = serde_json::json!({ "v1/Secret": ["sb/a(created)"], "batch/v1/CronJob": ["sb/n(created)"],
            "v1/ConfigMap": ["elsewhere/x(failed)"], "velero.io/v2alpha1/DataUpload": ["velero/u(skipped)"],
            "v1/PersistentVolume": ["pv-1(created)", "pv-2(skipped)", "pv-3(failed)"],
            "snapshot.storage.k8s.io/v1/VolumeSnapshotContent": ["content(created)"],
            "snapshot.storage.k8s.io/v1/VolumeSnapshotClass": ["class(skipped)"],
            "scheduling.k8s.io/v1/PriorityClass": ["high(failed)"], "v1/Namespace": ["sb(skipped)"] });
        assert_eq!(escaped(list), Vec::<String>::new());
    }

    #[test]
    fn what_is_for_the_whole_cluster_is_one_unless_claims_bring_it() {
        let role =
            escaped(serde_json::json!({ "rbac.authorization.k8s.io/v1/ClusterRole": ["admin(created)"] }));
        assert!(
            role.len() == 1 && role[0].contains("ClusterRole/admin came back for the whole cluster"),
            "{role:?}"
        );
        for list in [
            serde_json::json!({ "v1/Namespace": ["shop(created)"] }),
            serde_json::json!({ "v1/Namespace": ["sb(created)"] }),
            serde_json::json!({ "example.com/v1/PersistentVolume": ["pv(created)"] }),
            serde_json::json!({ "snapshot.storage.k8s.io/v1/VolumeSnapshotClass": ["class(created)"] }),
        ] {
            assert_eq!(escaped(list.clone()).len(), 1, "{list}");
        }
        let changed = escaped(serde_json::json!({ "v1/PersistentVolume": ["pv-1(updated)"],
            "v1/Namespace": ["sb(updated)"], "storage.k8s.io/v1/StorageClass": ["fast(updated)"] }));
        assert!(
            changed.len() == 3 && changed.iter().all(|said| said.contains("was changed")),
            "{changed:?}"
        );
    }

    #[test]
    fn another_namespace_or_a_kind_that_stays_out_is_one() {
        let elsewhere = escaped(serde_json::json!({ "v1/Secret": ["production/a(created)"] }));
        assert!(
            elsewhere.len() == 1 && elsewhere[0].contains("no sandbox"),
            "{elsewhere:?}"
        );
        let open = escaped(serde_json::json!({ "networking.k8s.io/v1/NetworkPolicy": ["sb/all(created)"] }));
        assert!(
            open.len() == 1 && open[0].contains("policies are a union"),
            "{open:?}"
        );
    }
}
