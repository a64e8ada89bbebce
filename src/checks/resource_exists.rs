//! `resourceExists`: objects by kind and name, of any kind the cluster knows. Only metadata is read.

use kube::{
    Api, Client,
    api::DynamicObject,
    discovery::{ApiResource, Discovery, Scope},
};
use kymaros_crds::domain::ResourceRef;

use super::Failure;

pub(super) async fn check(
    client: &Client,
    sandbox: &str,
    resources: &[ResourceRef],
) -> Result<String, Failure> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut missing = Vec::new();
    for wanted in resources {
        let kinds = find(&discovery, &wanted.kind);
        if kinds.is_empty() {
            return Err(unknown(&wanted.kind));
        }
        if !exists(client, sandbox, &kinds, &wanted.name).await? {
            missing.push(format!("{}/{}", wanted.kind, wanted.name));
        }
    }
    decide(&missing, resources.len())
}

/// Whether there is an object of this name of any of these kinds: products share names of kinds.
async fn exists(
    client: &Client,
    sandbox: &str,
    kinds: &[ApiResource],
    name: &str,
) -> Result<bool, kube::Error> {
    for kind in kinds {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), sandbox, kind);
        if api.get_metadata_opt(name).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// There may well be such a kind: one whose objects are in no namespace, and in no sandbox.
fn unknown(kind: &str) -> Failure {
    Failure::Final(format!(
        "no kind {kind} with a namespace is known here; check its spelling, and name only objects that live in a namespace"
    ))
}

/// Core kinds come first: `Service` is mostly the Kubernetes one, whatever else is installed.
fn find(discovery: &Discovery, kind: &str) -> Vec<ApiResource> {
    let mut found: Vec<_> = discovery
        .groups()
        .flat_map(kube::discovery::ApiGroup::recommended_resources)
        .filter(|(resource, capabilities)| resource.kind == kind && capabilities.scope == Scope::Namespaced)
        .map(|(resource, _)| resource)
        .collect();
    found.sort_by_key(|r| {
        (
            !r.group.is_empty(),
            r.group.contains('.') && !r.group.ends_with(".k8s.io"),
            r.group.clone(),
        )
    });
    found
}

fn decide(missing: &[String], wanted: usize) -> Result<String, Failure> {
    let message = || format!("missing resources: {}", missing.join(", "));
    match missing.len() {
        0 => Ok(format!("all {wanted} resources exist")),
        n if n == wanted => Err(Failure::Missing(message())),
        _ => Err(Failure::NotYet(message())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A cluster that knows one kind with a namespace and one without, and has an object of each.
    fn cluster() -> Client {
        let resource = |name: &str, kind: &str, scope: &str| {
            json!({ "resource": name, "scope": scope, "verbs": ["get", "list"],
                    "responseKind": { "group": "", "version": "v1", "kind": kind } })
        };
        let core = json!([{ "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": [
            resource("secrets", "Secret", "Namespaced"), resource("persistentvolumes", "PersistentVolume", "Cluster"),
        ] }] }]);
        let answer = move |uri: http::Uri| {
            let groups = if uri.path() == "/api" {
                core.clone()
            } else {
                json!([])
            };
            let body = match uri.path() {
                "/api" | "/apis" => {
                    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                                            "metadata": {}, "items": groups })
                }
                _ => {
                    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": { "name": "one" } })
                }
            };
            std::future::ready(axum::Json(body))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    #[tokio::test]
    async fn a_kind_without_a_namespace_is_not_said_to_be_unknown_to_the_cluster() {
        let look = async |kind: &str| {
            let one = ResourceRef {
                kind: kind.to_owned(),
                name: "one".to_owned(),
            };
            check(&cluster(), "sb", &[one]).await
        };
        assert!(look("Secret").await.is_ok());
        for kind in ["PersistentVolume", "Sekret"] {
            let Err(Failure::Final(said)) = look(kind).await else {
                panic!("{kind}");
            };
            assert!(
                said.starts_with(&format!("no kind {kind} with a namespace")),
                "{said}"
            );
        }
    }

    #[test]
    fn all_must_exist() {
        assert!(decide(&[], 2).is_ok());
        assert!(matches!(decide(&["Secret/a".into()], 2), Err(Failure::NotYet(_))));
        assert!(matches!(
            decide(&["Secret/a".into()], 1),
            Err(Failure::Missing(_))
        ));
    }
}
