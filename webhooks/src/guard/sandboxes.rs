//! Sandboxes: their namespaces, and what is in them.

use kube::core::{DynamicObject, admission::Operation};

use super::Ruling;
use crate::{
    facts::{Facts, RunState},
    request::{Request, name, run_uid},
};

/// A namespace: created as a sandbox of a live run under a name of that run, deleted as a sandbox. Of one that is going,
/// finalizers are taken; nothing else of any namespace is ever changed.
pub(super) fn namespace(request: &Request, facts: &dyn Facts) -> Ruling {
    match request.operation {
        Operation::Create => creation(request, facts),
        Operation::Delete => Ruling::fine_if(
            marked(request.old_object.as_ref()).is_some(),
            "a namespace without the marks of a sandbox is not the operator's to delete",
        ),
        Operation::Update => Ruling::fine_if(
            is_going_sandbox(request.old_object.as_ref()) && only_drops_finalizers(request),
            "a namespace is never changed by the operator, but that finalizers are taken off a sandbox that is going",
        ),
        Operation::Connect => Ruling::Refused("a namespace is nothing to connect to".to_owned()),
    }
}

fn creation(request: &Request, facts: &dyn Facts) -> Ruling {
    let object = request.object.as_ref();
    let Some(uid) = marked(object) else {
        return Ruling::Refused("a namespace is made only with the marks of a sandbox".to_owned());
    };
    let Some(run) = facts.run(uid) else {
        return Ruling::NoReport(format!("no report has the UID {uid}"));
    };
    if !run.sandboxes.contains(&name(request)) {
        return Ruling::Refused("this is not the name of a sandbox of that run".to_owned());
    }
    match run.state {
        RunState::Active => Ruling::Fine,
        RunState::Ending => Ruling::TooLate("the run has ended and makes no more sandboxes".to_owned()),
    }
}

/// Of which run the marks are.
fn marked(object: Option<&DynamicObject>) -> Option<&str> {
    run_uid(object).filter(|uid| !uid.is_empty())
}

fn is_going_sandbox(namespace: Option<&DynamicObject>) -> bool {
    let is_going = namespace.is_some_and(|n| n.metadata.deletion_timestamp.is_some());
    is_going && marked(namespace).is_some()
}

/// Something in a namespace. While the run is live, anything; afterwards, and for sandboxes whose report is gone,
/// only what takes it away.
pub(super) fn inside(request: &Request, namespace: &str, facts: &dyn Facts) -> Ruling {
    let Some(sandbox) = facts.sandbox(namespace) else {
        return Ruling::Unknown("it is not a sandbox".to_owned());
    };
    let state = facts.run(&sandbox.run_uid).map(|run| run.state);
    let takes_away = request.operation == Operation::Delete || only_drops_finalizers(request);
    match state {
        Some(RunState::Active) => Ruling::Fine,
        _ if takes_away => Ruling::Fine,
        Some(RunState::Ending) => {
            Ruling::TooLate("the run of this sandbox has ended, so things are only taken away".to_owned())
        }
        None => Ruling::NoReport("the run of this sandbox has no report".to_owned()),
    }
}

fn only_drops_finalizers(request: &Request) -> bool {
    let (Some(new), Some(old)) = (&request.object, &request.old_object) else {
        return false;
    };
    let finalizers = |object: &DynamicObject| object.metadata.finalizers.clone().unwrap_or_default();
    let known = finalizers(old);
    let subset = finalizers(new).iter().all(|f| known.contains(f));
    let rest = |object: &DynamicObject| {
        let mut rest = object.clone();
        rest.metadata.finalizers = None;
        // Both are the API server's own book-keeping of the very change.
        rest.metadata.managed_fields = None;
        rest.metadata.resource_version = None;
        rest
    };
    // What is below an object has no finalizers.
    let is_main = request.sub_resource.as_deref().unwrap_or_default().is_empty();
    request.operation == Operation::Update && is_main && subset && rest(new) == rest(old)
}
