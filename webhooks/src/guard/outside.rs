//! Writes outside sandboxes that the operator cannot do without: its own kinds, its Lease, its certificate, events.

use kube::core::{DynamicObject, admission::Operation};
use kymaros_crds::names;

use super::Ruling;
use crate::{
    facts::Operator,
    request::{Request, name, namespace, target},
};

/// The ruling, when the write is about one of these.
pub(super) fn rule(request: &Request, operator: &Operator) -> Option<Ruling> {
    let target = target(request);
    let is_own = namespace(request) == Some(&operator.namespace);
    let named = |expected: &str| name(request) == expected;
    let is_write = matches!(request.operation, Operation::Create | Operation::Update);
    let ruling = match (target.group, target.resource, target.subresource) {
        // Asked, never stored.
        ("authentication.k8s.io" | "authorization.k8s.io", _, "") => Ruling::fine_if(
            request.operation == Operation::Create,
            "reviews are only ever created",
        ),
        ("" | "events.k8s.io", "events", "") => Ruling::fine_if(is_write, "events are only ever told"),
        ("coordination.k8s.io", "leases", "") if is_own => Ruling::fine_if(
            is_write && named(&operator.lease),
            "only the operator's own lease is its business",
        ),
        ("", "secrets", "") if is_own => Ruling::fine_if(
            is_write && named(&operator.certificate_secret),
            "only the Secret with the certificate of its webhooks is its business",
        ),
        (names::GROUP, "restoretests", "") if operator.writes_tests => Ruling::fine_if(
            match request.operation {
                Operation::Create | Operation::Delete => true,
                Operation::Update => keeps_marks(request) && keeps_holds(request),
                Operation::Connect => false,
            },
            "of a test, callers of the API change the spec and its trigger, and nothing else",
        ),
        (names::GROUP, "restoretests", "") => Ruling::fine_if(
            request.operation == Operation::Update
                && keeps_spec(request)
                && keeps_marks(request)
                && keeps_holds(request),
            "of a test only its finalizer, its trigger and its status are the operator's",
        ),
        (names::GROUP, "restorereports", "") => Ruling::fine_if(
            request.operation != Operation::Update || (keeps_spec(request) && keeps_holds(request)),
            "what a run was asked to do, and whose it is, is never changed",
        ),
        (names::GROUP, "restoretests" | "restorereports", "status") => Ruling::fine_if(
            request.operation == Operation::Update,
            "a status is only ever updated",
        ),
        _ => return None,
    };
    Some(ruling)
}

fn keeps_spec(request: &Request) -> bool {
    let spec = |object: &Option<DynamicObject>| object.as_ref().map(|o| o.data["spec"].clone());
    spec(&request.object) == spec(&request.old_object)
}

/// Labels stay, and of annotations at most the answered trigger goes.
fn keeps_marks(request: &Request) -> bool {
    let marks = |object: &Option<DynamicObject>| {
        let metadata = object.as_ref().map(|o| o.metadata.clone()).unwrap_or_default();
        let mut annotations = metadata.annotations.unwrap_or_default();
        annotations.remove(names::TRIGGER_NOW_ANNOTATION);
        (metadata.labels.unwrap_or_default(), annotations)
    };
    marks(&request.object) == marks(&request.old_object)
}

/// What decides when the object goes stays: an owner that does not exist would have it deleted at once.
fn keeps_holds(request: &Request) -> bool {
    let holds = |object: &Option<DynamicObject>| {
        let metadata = object.as_ref().map(|o| o.metadata.clone()).unwrap_or_default();
        let mut finalizers = metadata.finalizers.unwrap_or_default();
        finalizers.retain(|f| f != names::FINALIZER);
        (metadata.owner_references.unwrap_or_default(), finalizers)
    };
    holds(&request.object) == holds(&request.old_object)
}
