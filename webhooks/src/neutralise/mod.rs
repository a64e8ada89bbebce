//! What appears in a sandbox is made harmless before it is stored: nothing scheduled runs, nothing asks the cloud or
//! the DNS for anything, nothing opens the sandbox or displaces production, no tool of production takes the copy for its own.

mod hooks;
mod metadata;
mod pods;
mod policies;
mod services;

pub use policies::POLICIES;

#[cfg(test)]
mod tests;

use kube::core::admission::Operation;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Denial},
    contain::{RESTORE_LABEL, reaches_outside},
    facts::{Facts, VolumeUse},
    request::{Request, described, label, name, namespace, target, username},
    rule::Rule,
};

/// Answers for anything that is made in a sandbox, and for changes of what could be switched on again.
#[must_use]
pub fn neutralise(request: &Request, facts: &dyn Facts) -> Answer {
    let Some(object) = &request.object else {
        return Answer::allow();
    };
    // The operator's own fences, and what is on its way out.
    if username(request) == facts.operator().username || object.metadata.deletion_timestamp.is_some() {
        return Answer::allow();
    }
    if let Some(volume) = reaches_outside(&object.data) {
        return Answer::Deny(Denial::forbidden(
            Rule::PodVolume,
            format!(
                "{} {:?} in a sandbox: {volume}",
                described(request),
                name(request)
            ),
            "nothing of production was touched; such a workload cannot be tested in a sandbox",
        ));
    }
    if let Some(volume) = foreign_volume(request, &object.data, facts) {
        return Answer::Deny(Denial::forbidden(
            Rule::VolumeInUse,
            format!(
                "{} {:?} in a sandbox: it names volume {volume}, which was not made for this sandbox",
                described(request),
                name(request)
            ),
            "nothing of production was touched; back up the data of this claim, so that it gets a volume of its own",
        ));
    }
    let Ok(before) = serde_json::to_value(object) else {
        return Answer::Deny(Denial::forbidden(
            Rule::Defect,
            "the object cannot be read",
            "report this defect of Kymaros",
        ));
    };
    let mut after = before.clone();
    let target = target(request);
    match &request.old_object {
        // Products that keep policies mark them, the operator's own as well.
        Some(old) if policies::is_policy(target.group, target.resource) => {
            policies::keep(&mut after, &old.data);
        }
        _ => make_harmless(request, &mut after, &facts.operator().priority_class),
    }
    Answer::Patch(json_patch::diff(&before, &after))
}

/// The volume that a new claim asks for by name, when that is somebody else's or free for anybody: Kubernetes gives a free
/// one to whoever asks first, with what is on it.
fn foreign_volume<'a>(request: &Request, object: &'a Value, facts: &dyn Facts) -> Option<&'a str> {
    let target = target(request);
    if (target.group, target.resource, target.subresource) != ("", "persistentvolumeclaims", "")
        || request.operation != Operation::Create
    {
        return None;
    }
    let volume = object
        .pointer("/spec/volumeName")?
        .as_str()
        .filter(|name| !name.is_empty())?;
    match facts.volume_use(volume)? {
        VolumeUse::ClaimedIn(place) if Some(place.as_str()) == namespace(request) => None,
        VolumeUse::ClaimedIn(_) | VolumeUse::Unclaimed => Some(volume),
    }
}

fn make_harmless(request: &Request, object: &mut Value, priority_class: &str) {
    let target = target(request);
    let is_pod = (target.group, target.resource) == ("", "pods");
    // Controllers make pods with the same annotations, and without the hook.
    if is_pod && label(request.object.as_ref(), RESTORE_LABEL).is_some() {
        hooks::drop_init(object);
    }
    metadata::clean(object, target.group, target.resource);
    tame(target.group, target.resource, object);
    if is_pod && target.subresource.is_empty() {
        pods::lower(object, priority_class);
    }
}

/// Takes from an object what would do work by itself, be reached from outside, open its sandbox, or displace others.
fn tame(group: &str, resource: &str, object: &mut Value) {
    match (group, resource) {
        ("batch", "cronjobs" | "jobs") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("suspend".to_owned(), json!(true));
            }
        }
        ("", "services") => services::keep_inside(object),
        ("", "pods") => pods::give_way(object),
        _ if policies::is_policy(group, resource) => policies::allow_nothing(group, object),
        _ => {}
    }
}

/// The fields for which an object that is stored in a sandbox does work by itself, is reached from outside, opens it, or
/// displaces others: those that would have been changed, had it been asked about. One that is on its way out has none.
#[must_use]
pub fn untamed(group: &str, resource: &str, object: &Value) -> Vec<String> {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    let mut tamed = object.clone();
    tame(group, resource, &mut tamed);
    let changes = json_patch::diff(object, &tamed);
    let paths = changes.iter().map(|change| change.path().to_string());
    let mut fields: Vec<String> = paths
        .map(|path| path.trim_start_matches('/').replace('/', "."))
        .collect();
    fields.sort();
    fields
}
