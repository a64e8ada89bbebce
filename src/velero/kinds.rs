//! Velero names kinds in two ways: `apps/v1/Deployment` in its lists, `deployments.apps` in excludes and messages.

use super::results::ObjectId;

/// Whether a resource such as `deployments.apps` is the kind of an object such as `apps/v1/Deployment`.
#[must_use]
pub fn is_resource_of(resource: &str, object: &ObjectId) -> bool {
    let kind = object.short_kind().to_ascii_lowercase();
    let (plural, of) = resource.split_once('.').unwrap_or((resource, ""));
    let same_kind = plural == kind
        || plural.strip_suffix('s') == Some(&kind)
        || plural.strip_suffix("es") == Some(&kind)
        || plural
            .strip_suffix("ies")
            .is_some_and(|stem| kind.strip_suffix('y') == Some(stem))
        || is_latin_plural(plural, &kind);
    same_kind && of == object.group()
}

/// `vertices` of `vertex`, `matrices` of `matrix`.
fn is_latin_plural(plural: &str, kind: &str) -> bool {
    let stem = plural.strip_suffix("ices");
    let is_of = |end: &str| stem.is_some() && kind.strip_suffix(end) == stem;
    is_of("ex") || is_of("ix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_group() {
        let is = |resource, kind: &str| {
            let object = ObjectId {
                kind: kind.into(),
                name: "x".into(),
            };
            is_resource_of(resource, &object)
        };
        assert!(is("deployments.apps", "apps/v1/Deployment"));
        assert!(is("endpoints", "v1/Endpoints"));
        assert!(is("ingresses.networking.k8s.io", "networking.k8s.io/v1/Ingress"));
        assert!(is(
            "networkpolicies.networking.k8s.io",
            "networking.k8s.io/v1/NetworkPolicy"
        ));
        assert!(!is("ingresses.networking.k8s.io", "example.com/v1/Ingress"));
        assert!(is("vertices.flow.example.com", "flow.example.com/v1/Vertex"));
        assert!(is("indices.search.example.com", "search.example.com/v1/Index"));
        assert!(!is("services.example.com", "example.com/v1/Vortex"));
        assert!(!is("secrets", "v1/ConfigMap"));
    }
}
