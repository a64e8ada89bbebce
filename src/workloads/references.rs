//! References of restored workloads to other namespaces, read from their pod templates.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::api::core::v1::{Container, PodSpec};
use regex::Regex;

use super::assess::SandboxObjects;

/// One workload that names a Service of another namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `Kind/name` of the workload.
    pub from: String,
    /// The Service.
    pub service: String,
    /// The namespace it names.
    pub namespace: String,
}

/// Finds `service.namespace.svc` in environment values, arguments and commands.
#[must_use]
pub fn find(objects: &SandboxObjects) -> BTreeSet<Reference> {
    use kube::ResourceExt;
    let mut found = BTreeSet::new();
    let mut scan = |from: String, spec: Option<&PodSpec>| {
        for text in spec.into_iter().flat_map(texts) {
            for (service, namespace) in services(text) {
                found.insert(Reference {
                    from: from.clone(),
                    service,
                    namespace,
                });
            }
        }
    };
    for d in &objects.deployments {
        scan(
            format!("Deployment/{}", d.name_any()),
            d.spec.as_ref().and_then(|s| s.template.spec.as_ref()),
        );
    }
    for s in &objects.stateful_sets {
        scan(
            format!("StatefulSet/{}", s.name_any()),
            s.spec.as_ref().and_then(|s| s.template.spec.as_ref()),
        );
    }
    for d in &objects.daemon_sets {
        scan(
            format!("DaemonSet/{}", d.name_any()),
            d.spec.as_ref().and_then(|s| s.template.spec.as_ref()),
        );
    }
    found
}

fn texts(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    containers.flat_map(container_texts)
}

fn container_texts(container: &Container) -> impl Iterator<Item = &str> {
    let env = container.env.iter().flatten().filter_map(|e| e.value.as_deref());
    let args = container
        .args
        .iter()
        .chain(container.command.iter())
        .flatten()
        .map(String::as_str);
    env.chain(args)
}

fn services(text: &str) -> Vec<(String, String)> {
    static SERVICE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\b([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\.([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\.svc\b")
            .ok()
    });
    let found = SERVICE.as_ref().map(|r| r.captures_iter(text));
    found
        .into_iter()
        .flatten()
        .map(|c| (c[1].to_owned(), c[2].to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_services_of_namespaces() {
        let found = services("postgres://db.data.svc.cluster.local:5432,http://api.core.svc/x");
        assert_eq!(
            found,
            [("db".into(), "data".into()), ("api".into(), "core".into())]
        );
        assert!(services("www.example.com db.svcs").is_empty());
    }
}
