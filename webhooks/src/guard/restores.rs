//! What the operator writes in Velero's namespace: Restores into sandboxes, download requests, and the end of both.

use std::collections::BTreeMap;

use kube::core::{DynamicObject, admission::Operation};
use kymaros_crds::names;
use serde::Deserialize;
use serde_json::Value;

use super::Ruling;
use crate::{
    contain::is_ours_by_name,
    facts::{Facts, RestoreOwner, RunState},
    request::{Request, label, run_uid},
};

/// What a run asks Velero for. None of it holds data of objects, as the contents of a backup do.
pub const ARTIFACTS: [&str; 5] = [
    "BackupResourceList",
    "BackupVolumeInfos",
    "RestoreResourceList",
    "RestoreResults",
    "RestoreItemOperations",
];

/// The fields of a Restore that decide what it may reach.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Reach {
    included_namespaces: Vec<String>,
    namespace_mapping: BTreeMap<String, String>,
    include_cluster_resources: Option<bool>,
    existing_resource_policy: Option<String>,
    preserve_node_ports: Option<bool>,
    hooks: Value,
    resource_modifier: Option<Value>,
}

/// A Restore is created whole, with every target a sandbox of its run, and deleted; never changed.
pub(super) fn restore(request: &Request, facts: &dyn Facts) -> Ruling {
    match request.operation {
        Operation::Create => creation(request, facts),
        Operation::Delete => deletion(request),
        Operation::Update | Operation::Connect => {
            Ruling::Refused("a Restore is never changed by the operator".to_owned())
        }
    }
}

fn creation(request: &Request, facts: &dyn Facts) -> Ruling {
    let object = request.object.as_ref();
    let Some(uid) = label(object, names::RUN_UID_LABEL) else {
        return Ruling::Refused("a Restore is made only with the labels of its run".to_owned());
    };
    let name = object.and_then(|o| o.metadata.name.as_deref());
    if !name.is_some_and(is_ours_by_name) {
        return Ruling::Refused("only a Restore named as those of runs is contained".to_owned());
    }
    let spec = object.map(|o| o.data["spec"].clone()).unwrap_or_default();
    let reach: Reach = match serde_json::from_value(spec) {
        Ok(reach) => reach,
        Err(error) => return Ruling::Refused(format!("its spec cannot be read: {error}")),
    };
    if let Some(why) = too_wide(&reach) {
        return Ruling::Refused(why.to_owned());
    }
    match facts.run(uid) {
        None => return Ruling::NoReport(format!("no report has the UID {uid}")),
        Some(run) if run.state != RunState::Active => {
            return Ruling::TooLate("the run has ended and restores nothing more".to_owned());
        }
        Some(_) => {}
    }
    for target in reach.namespace_mapping.values() {
        match facts.sandbox(target) {
            None => return Ruling::Unknown(format!("its target {target} is not a sandbox")),
            Some(sandbox) if sandbox.run_uid != uid => {
                return Ruling::Refused(format!("its target {target} is a sandbox of another run"));
            }
            Some(_) => {}
        }
    }
    Ruling::Fine
}

/// Why a Restore could reach more than its sandboxes.
fn too_wide(reach: &Reach) -> Option<&'static str> {
    let included = &reach.included_namespaces;
    let hooks = reach.hooks.get("resources").and_then(Value::as_array);
    if included.is_empty() || included.iter().any(|n| n.contains('*')) {
        Some("it must name its namespaces one by one")
    } else if !included.iter().all(|n| reach.namespace_mapping.contains_key(n)) {
        Some("each of its namespaces must be mapped to a sandbox")
    } else if reach.include_cluster_resources.is_some() {
        Some("it must leave includeClusterResources unset")
    } else if reach
        .existing_resource_policy
        .as_deref()
        .is_some_and(|p| p != "none")
    {
        Some("it must never update what exists")
    } else if reach.preserve_node_ports == Some(true) {
        Some("it must not ask for the node ports of production")
    } else if hooks.is_some_and(|h| !h.is_empty()) {
        Some("it must carry no hooks")
    } else if reach.resource_modifier.is_some() {
        Some("it must change nothing on the way (resourceModifier)")
    } else {
        None
    }
}

/// Download requests of a run come and go.
pub(super) fn download(request: &Request, facts: &dyn Facts) -> Ruling {
    match request.operation {
        Operation::Create => {
            let Some(uid) = label(request.object.as_ref(), names::RUN_UID_LABEL) else {
                return Ruling::Refused(
                    "a DownloadRequest is made only with the labels of its run".to_owned(),
                );
            };
            let target = request.object.as_ref().map(|o| &o.data["spec"]["target"]["kind"]);
            if !target
                .and_then(Value::as_str)
                .is_some_and(|kind| ARTIFACTS.contains(&kind))
            {
                return Ruling::Refused(format!(
                    "a run asks for {} only, and never for data",
                    ARTIFACTS.join(", ")
                ));
            }
            if facts.run(uid).is_some() {
                Ruling::Fine
            } else {
                Ruling::NoReport(format!("no report has the UID {uid}"))
            }
        }
        Operation::Delete => is_ours(request.old_object.as_ref()),
        Operation::Update | Operation::Connect => {
            Ruling::Refused("a DownloadRequest is never changed by the operator".to_owned())
        }
    }
}

/// Data movers of a Restore of ours may be told to stop, and nothing else.
pub(super) fn data_mover(request: &Request, facts: &dyn Facts) -> Ruling {
    let (Operation::Update, Some(new), Some(old)) =
        (&request.operation, &request.object, &request.old_object)
    else {
        return Ruling::Refused("data movers are Velero's to make and delete".to_owned());
    };
    let without_cancel = |object: &DynamicObject| {
        let mut spec = object.data["spec"].clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("cancel");
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
    if new.data["spec"]["cancel"] != true || without_cancel(new) != without_cancel(old) {
        return Ruling::Refused("a data mover is only ever told to stop".to_owned());
    }
    let restore = label(Some(old), crate::contain::RESTORE_LABEL).unwrap_or_default();
    match facts.restore(restore) {
        Some(RestoreOwner::Run(_)) => Ruling::Fine,
        Some(RestoreOwner::Other) => Ruling::Refused("it belongs to a restore of somebody else".to_owned()),
        None => Ruling::Unknown("its restore is not known".to_owned()),
    }
}

/// Who copies one of ours for a recovery may copy its labels.
fn deletion(request: &Request) -> Ruling {
    let is_named_so = |object: &&DynamicObject| object.metadata.name.as_deref().is_some_and(is_ours_by_name);
    is_ours(request.old_object.as_ref().filter(is_named_so))
}

fn is_ours(object: Option<&DynamicObject>) -> Ruling {
    Ruling::fine_if(run_uid(object).is_some(), "it was not made by a run of Kymaros")
}
