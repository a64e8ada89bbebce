//! Takes our finalizer off tests and reports: without the operator nobody would, and they could never be deleted.

use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::{ApiResource, PartialObjectMeta},
};
use kymaros_crds::names;

use super::UninstallError;
use crate::refusal::is_of_unknown_kind;

/// How often somebody may change an object at the same moment.
const TRIES: usize = 5;

/// Releases every object of a kind. Only metadata is read, so one whose spec cannot be read is released, too.
pub(super) async fn release<K: Resource<DynamicType = ()>>(client: &Client) -> Result<(), UninstallError> {
    let resource = ApiResource::erase::<K>(&());
    let all = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let mut last = String::new();
    for _ in 0..TRIES {
        let held = match all.list_metadata(&ListParams::default()).await {
            Ok(objects) => objects
                .items
                .into_iter()
                .filter(|object| names::is_held(object.finalizers())),
            // It is not installed.
            Err(kube::Error::Api(status)) if is_of_unknown_kind(&status) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut left = 0;
        for object in held {
            last = format!(
                "{} {}/{}",
                resource.kind,
                object.namespace().unwrap_or_default(),
                object.name_any()
            );
            left += usize::from(!release_one(client, &resource, &object).await?);
        }
        if left == 0 {
            return Ok(());
        }
    }
    Err(UninstallError::Busy(last))
}

/// `false` when somebody changed the object meanwhile.
async fn release_one(
    client: &Client,
    resource: &ApiResource,
    object: &PartialObjectMeta<DynamicObject>,
) -> Result<bool, UninstallError> {
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, resource);
    let others: Vec<&String> = object
        .finalizers()
        .iter()
        .filter(|f| *f != names::FINALIZER)
        .collect();
    // The version makes it refuse to drop a finalizer that somebody added meanwhile.
    let patch = Patch::Merge(serde_json::json!({
        "metadata": { "finalizers": others, "resourceVersion": object.resource_version() },
    }));
    match api
        .patch_metadata(&object.name_any(), &PatchParams::default(), &patch)
        .await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
