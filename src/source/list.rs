//! Looking through source namespaces: metadata only, all kinds side by side.

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, PartialObjectMeta},
};

use super::{SourceObject, SourceObjects, kinds::Kind};
use crate::velero::{results::ObjectId, types::EXCLUDE_FROM_BACKUP_LABEL};

/// Objects of one answer of the API server.
const PAGE: u32 = 500;
/// Annotation of a claim that has its volume.
const BOUND: &str = "pv.kubernetes.io/bind-completed";
/// Lists under way at once.
const AT_ONCE: usize = 8;

/// Lists what somebody made in these namespaces. One that does not exist holds nothing.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn list(
    client: Client,
    namespaces: Vec<String>,
    kinds: Vec<Kind>,
) -> Result<SourceObjects, kube::Error> {
    let mut lists = Vec::new();
    for namespace in namespaces {
        lists.extend(kinds.iter().map(|kind| (namespace.clone(), *kind)));
    }
    let found: Vec<(String, Vec<SourceObject>)> = stream::iter(lists)
        .map(|(namespace, kind)| of_kind(client.clone(), namespace, kind))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut objects = SourceObjects::default();
    for (namespace, mut of_kind) in found {
        objects.objects.entry(namespace).or_default().append(&mut of_kind);
    }
    for of_namespace in objects.objects.values_mut() {
        of_namespace.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(objects)
}

async fn of_kind(
    client: Client,
    namespace: String,
    kind: Kind,
) -> Result<(String, Vec<SourceObject>), kube::Error> {
    let api = Api::<DynamicObject>::namespaced_with(client, &namespace, &kind.resource());
    let mut params = ListParams::default().limit(PAGE);
    let mut made = Vec::new();
    loop {
        let page = api.list_metadata(&params).await?;
        made.extend(
            page.items
                .iter()
                .filter_map(|object| made_by_somebody(&kind, object)),
        );
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok((namespace, made)),
        }
    }
}

/// What a controller owns comes back with its owner, and what is kept out of backups on purpose is not missed.
fn made_by_somebody(kind: &Kind, object: &PartialObjectMeta<DynamicObject>) -> Option<SourceObject> {
    let kept_out = object
        .labels()
        .get(EXCLUDE_FROM_BACKUP_LABEL)
        .is_some_and(|value| value == "true");
    if kept_out || !object.owner_references().is_empty() || object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let group_version = match kind.group {
        "" => kind.version.to_owned(),
        group => format!("{group}/{}", kind.version),
    };
    Some(SourceObject {
        id: ObjectId {
            kind: format!("{group_version}/{}", kind.kind),
            name: object.name_any(),
        },
        labels: object.labels().clone(),
        has_data: kind.kind != "PersistentVolumeClaim" || object.annotations().contains_key(BOUND),
        created: object.creation_timestamp()?.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::kinds::KINDS;
    use serde_json::json;

    fn made(metadata: &serde_json::Value) -> Option<SourceObject> {
        let object = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
        made_by_somebody(KINDS.iter().find(|k| k.kind == "Deployment").unwrap(), &object)
    }

    #[test]
    fn what_is_owned_kept_out_or_going_is_not_looked_for() {
        let created = "2026-01-01T00:00:00Z";
        let plain = made(&json!({ "name": "web", "creationTimestamp": created })).unwrap();
        assert_eq!(plain.id.kind, "apps/v1/Deployment");
        assert!(plain.has_data, "only a claim can be without");
        for other in [
            json!({ "name": "web", "creationTimestamp": created,
                    "labels": { "velero.io/exclude-from-backup": "true" } }),
            json!({ "name": "web", "creationTimestamp": created, "deletionTimestamp": created }),
            json!({ "name": "web", "creationTimestamp": created, "ownerReferences": [
                { "apiVersion": "v1", "kind": "X", "name": "x", "uid": "u" }] }),
        ] {
            assert_eq!(made(&other), None, "{other}");
        }
    }
}
