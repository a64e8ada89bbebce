//! Contents of volume snapshots that Velero makes for a sandbox. They are for the whole cluster, so they outlive it
//! (<https://github.com/velero-io/velero/issues/9186>).

use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions},
};
use kymaros_webhooks::contain::{RESTORE_LABEL, is_ours_by_name};

use super::leftovers::Removal;
use crate::retry::again;

/// A `VolumeSnapshotContent` of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotContent {
    /// Its name.
    pub name: String,
    /// The very object that was looked at.
    pub uid: String,
    /// The Restore that Velero made it for.
    pub restore: String,
    /// The snapshot in the storage stays when this object goes. It belongs to the backup.
    pub is_retained: bool,
}

/// The kind, which a cluster without CSI snapshots does not have.
fn kind() -> ApiResource {
    ApiResource {
        group: "snapshot.storage.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "snapshot.storage.k8s.io/v1".to_owned(),
        kind: "VolumeSnapshotContent".to_owned(),
        plural: "volumesnapshotcontents".to_owned(),
    }
}

/// Those that Velero made for one of these sandboxes.
pub(super) async fn of_sandboxes(
    client: &Client,
    sandboxes: &[String],
) -> Result<Vec<SnapshotContent>, kube::Error> {
    let api = Api::<DynamicObject>::all_with(client.clone(), &kind());
    let of_restores = ListParams::default().labels(RESTORE_LABEL);
    match again(|| api.list(&of_restores)).await {
        Ok(all) => Ok(all.iter().filter_map(|content| of(content, sandboxes)).collect()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn of(content: &DynamicObject, sandboxes: &[String]) -> Option<SnapshotContent> {
    let restore = content.labels().get(RESTORE_LABEL)?;
    let namespace = content
        .data
        .pointer("/spec/volumeSnapshotRef/namespace")?
        .as_str()?;
    (is_ours_by_name(restore) && sandboxes.iter().any(|sandbox| sandbox == namespace)).then(|| {
        SnapshotContent {
            name: content.name_any(),
            uid: content.uid().unwrap_or_default(),
            restore: restore.clone(),
            is_retained: content.data["spec"]["deletionPolicy"] == "Retain",
        }
    })
}

/// Deletes those whose snapshot stays, and leaves the others: the backup would lose its data with them.
pub(super) async fn remove(
    client: &Client,
    contents: &[SnapshotContent],
) -> Result<Vec<Removal>, kube::Error> {
    let api = Api::<DynamicObject>::all_with(client.clone(), &kind());
    let mut removals = Vec::new();
    for content in contents.iter().filter(|content| content.is_retained) {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: Some(content.uid.clone()),
            resource_version: None,
        });
        let removed = api.delete(&content.name, &params).await;
        removals.push(Removal::of("VolumeSnapshotContent", &content.name, removed)?);
    }
    Ok(removals)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(restore: &str, namespace: &str, policy: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": { "name": "c", "uid": "u", "labels": { RESTORE_LABEL: restore } },
            "spec": { "deletionPolicy": policy, "volumeSnapshotRef": { "namespace": namespace, "name": "s" } },
        }))
        .unwrap()
    }

    #[test]
    fn only_what_velero_made_for_a_sandbox_of_the_run_is_of_it() {
        let sandboxes = ["rp-shop".to_owned()];
        let found = |restore: &str, namespace: &str| of(&content(restore, namespace, "Retain"), &sandboxes);
        assert!(found("kymaros-0a1b2c3d-0", "rp-shop").is_some_and(|c| c.is_retained));
        assert_eq!(found("kymaros-0a1b2c3d-0", "shop"), None, "production");
        assert_eq!(found("restore-of-a-person", "rp-shop"), None);
    }

    #[test]
    fn a_snapshot_that_would_go_with_its_object_is_told_apart() {
        let sandboxes = ["rp-shop".to_owned()];
        let found = of(&content("kymaros-0a1b2c3d-0", "rp-shop", "Delete"), &sandboxes);
        assert!(found.is_some_and(|c| !c.is_retained));
    }
}
