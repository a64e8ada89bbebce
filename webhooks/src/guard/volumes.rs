//! Volumes of a sandbox: they are released to go with it, and nothing else about any volume is touched. Of snapshots, what
//! Velero made for a sandbox goes, and never what is stored.

use kube::core::{DynamicObject, admission::Operation};
use serde_json::Value;

use super::Ruling;
use crate::{
    contain::{RESTORE_LABEL, is_ours_by_name, keeps_snapshot},
    facts::Facts,
    request::{Request, label},
};

pub(super) fn rule(request: &Request, facts: &dyn Facts) -> Ruling {
    let (Operation::Update, Some(new), Some(old)) =
        (&request.operation, &request.object, &request.old_object)
    else {
        return Ruling::Refused("volumes are neither made nor deleted by the operator".to_owned());
    };
    if !only_releases(new, old) {
        return Ruling::Refused("of a volume only the reclaim policy is set, to Delete".to_owned());
    }
    let claimed_by = old
        .data
        .pointer("/spec/claimRef/namespace")
        .and_then(Value::as_str);
    match claimed_by {
        None => Ruling::Refused("the volume belongs to no sandbox".to_owned()),
        Some(namespace) if facts.sandbox(namespace).is_some() => Ruling::Fine,
        Some(namespace) => Ruling::Unknown(format!(
            "the volume belongs to namespace {namespace}, which is not a sandbox"
        )),
    }
}

pub(super) fn snapshot(request: &Request) -> Ruling {
    let old = request.old_object.as_ref();
    let is_ours = label(old, RESTORE_LABEL).is_some_and(is_ours_by_name);
    Ruling::fine_if(
        request.operation == Operation::Delete && keeps_snapshot(old) && is_ours,
        "of snapshot contents only those go that Velero made for a test, and whose snapshot stays",
    )
}

fn only_releases(new: &DynamicObject, old: &DynamicObject) -> bool {
    let policy = new
        .data
        .pointer("/spec/persistentVolumeReclaimPolicy")
        .and_then(Value::as_str);
    let rest = |object: &DynamicObject| {
        let mut spec = object.data["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("persistentVolumeReclaimPolicy");
        }
        let metadata = &object.metadata;
        (
            spec,
            metadata.labels.clone(),
            metadata.annotations.clone(),
            metadata.owner_references.clone(),
            metadata.finalizers.clone(),
        )
    };
    policy == Some("Delete") && rest(new) == rest(old)
}
