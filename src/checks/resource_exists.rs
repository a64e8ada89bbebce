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
        let kind = find(&discovery, &wanted.kind)
            .ok_or_else(|| Failure::Final(format!("the cluster does not know the kind {}", wanted.kind)))?;
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), sandbox, &kind);
        if api.get_metadata_opt(&wanted.name).await?.is_none() {
            missing.push(format!("{}/{}", wanted.kind, wanted.name));
        }
    }
    decide(&missing, resources.len())
}

/// Core kinds come first, so that `Service` is the Kubernetes one whatever else is installed.
fn find(discovery: &Discovery, kind: &str) -> Option<ApiResource> {
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
    found.into_iter().next()
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
    use super::*;

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
