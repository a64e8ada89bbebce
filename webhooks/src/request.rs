//! What the API server asks about.

use kube::{
    ResourceExt,
    core::{DynamicObject, admission::AdmissionRequest},
};
use kymaros_crds::names;

/// A request as the API server sends it.
pub type Request = AdmissionRequest<DynamicObject>;

/// The resource of a request: group, plural and subresource. Versions do not matter to any rule of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural name.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
}

/// The resource a request is about.
#[must_use]
pub fn target(request: &Request) -> Target<'_> {
    Target {
        group: &request.resource.group,
        resource: &request.resource.resource,
        subresource: request.sub_resource.as_deref().unwrap_or_default(),
    }
}

/// `group/resource/subresource`, for messages.
#[must_use]
pub fn described(request: &Request) -> String {
    let target = target(request);
    let mut text = target.resource.to_owned();
    if !target.group.is_empty() {
        text = format!("{text}.{}", target.group);
    }
    if !target.subresource.is_empty() {
        text = format!("{text}/{}", target.subresource);
    }
    text
}

/// The namespace of a namespaced request. A Namespace itself is not in one, whatever the API server writes there.
#[must_use]
pub fn namespace(request: &Request) -> Option<&str> {
    let is_namespace = request.resource.group.is_empty() && request.resource.resource == "namespaces";
    let named = request.namespace.as_deref().filter(|n| !n.is_empty());
    named.filter(|_| !is_namespace)
}

/// The name of the object: the request's, or, for `deletecollection` and generated names, the object's own.
#[must_use]
pub fn name(request: &Request) -> String {
    if !request.name.is_empty() {
        return request.name.clone();
    }
    let object = request.object.as_ref().or(request.old_object.as_ref());
    object.map(ResourceExt::name_any).unwrap_or_default()
}

/// The user who asks.
#[must_use]
pub fn username(request: &Request) -> &str {
    request.user_info.username.as_deref().unwrap_or_default()
}

/// A label of an object.
#[must_use]
pub fn label<'a>(object: Option<&'a DynamicObject>, key: &str) -> Option<&'a str> {
    object?.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// The UID of the run that made an object.
#[must_use]
pub fn run_uid(object: Option<&DynamicObject>) -> Option<&str> {
    names::run_uid(object?.metadata.labels.as_ref()?)
}
