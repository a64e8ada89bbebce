//! Removes sandboxes, and what their runs made in Velero's namespace.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::{authentication::v1::SelfSubjectReview, core::v1::Namespace, rbac::v1::RoleBinding};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectMeta, PostParams},
    core::NamespaceResourceScope,
};
use kymaros_crds::names;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Installation, UninstallError};
use crate::{
    refusal::is_of_unknown_kind,
    sandbox::{objects::Operator, remove::OwnedSandbox},
    velero::{DownloadRequest, Restore},
};

/// The name of the binding that gives this account the rights of a sandbox.
const BINDING: &str = "kymaros-uninstall";
/// How long the API server may take until it knows of a new binding.
const UNTIL_KNOWN: Duration = Duration::from_secs(15);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

/// Asks for all of them to go; Kubernetes and Velero do the rest by themselves.
pub(super) async fn remove(client: &Client, installation: &Installation) -> Result<(), UninstallError> {
    let of_runs = format!(
        "{}={},{}",
        names::MANAGED_BY_LABEL,
        names::MANAGED_BY,
        names::RUN_UID_LABEL
    );
    let of_runs = ListParams::default().labels(&of_runs);
    let sandboxes = Api::<Namespace>::all(client.clone()).list(&of_runs).await?;
    let staying: Vec<Namespace> = sandboxes
        .into_iter()
        .filter(|s| s.metadata.deletion_timestamp.is_none())
        .collect();
    if !staying.is_empty() {
        let us = Operator {
            username: who_am_i(client).await?,
            sandbox_role: installation.sandbox_role.clone(),
        };
        let mut removals = stream::iter(staying)
            .map(|sandbox| remove_one(client, &us, sandbox))
            .buffer_unordered(8);
        while let Some(removed) = removals.next().await {
            removed?;
        }
    }
    let velero = &installation.velero_namespace;
    delete_all(Api::<Restore>::namespaced(client.clone(), velero), &of_runs).await?;
    delete_all(
        Api::<DownloadRequest>::namespaced(client.clone(), velero),
        &of_runs,
    )
    .await
}

async fn remove_one(client: &Client, us: &Operator, sandbox: Namespace) -> Result<(), UninstallError> {
    let name = sandbox.name_any();
    let uid = sandbox
        .labels()
        .get(names::RUN_UID_LABEL)
        .cloned()
        .unwrap_or_default();
    let Some(owned) = OwnedSandbox::find(client, &name, &uid).await? else {
        return Ok(());
    };
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), &name);
    let binding = us.binding(ObjectMeta {
        name: Some(BINDING.to_owned()),
        ..ObjectMeta::default()
    });
    match bindings.create(&PostParams::default(), &binding).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(error.into()),
    }
    tracing::info!(sandbox = name, "removes a sandbox");
    let deadline = Instant::now() + UNTIL_KNOWN;
    loop {
        match owned.remove(client, &|_| {}).await {
            Ok(()) => return Ok(()),
            Err(kube::Error::Api(status)) if status.is_forbidden() && Instant::now() < deadline => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn who_am_i(client: &Client) -> Result<String, UninstallError> {
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let user = review.status.and_then(|s| s.user_info).and_then(|u| u.username);
    Ok(user.unwrap_or_default())
}

async fn delete_all<K>(api: Api<K>, of_runs: &ListParams) -> Result<(), UninstallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let all = match api.list(of_runs).await {
        Ok(all) => all,
        // Velero is gone.
        Err(kube::Error::Api(status)) if is_of_unknown_kind(&status) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for object in all {
        super::delete(api.clone(), &object.name_any()).await?;
    }
    Ok(())
}
