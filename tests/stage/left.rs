//! What is left in the cluster when the operator is gone.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::ListParams,
    runtime::{conditions::is_deleted, wait::await_condition},
};
use kymaros_testbed::scene::Scene;

use crate::helm::{NAMESPACE, RELEASE};

/// Kinds of the release that are for the whole cluster.
const FOR_THE_CLUSTER: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations,\
     validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings,priorityclasses";
/// Kinds of the release, and those that the operator makes for itself.
const IN_ITS_NAMESPACE: &str = "deployments,pods,jobs,services,serviceaccounts,roles,rolebindings,secrets,leases,\
     poddisruptionbudgets,networkpolicies";

/// Nothing but these is left of the release, of what the operator made for itself, in sandboxes and beside Velero.
pub async fn nothing_but(scene: &Scene, stays: &[&str]) -> Result<()> {
    sandboxes_go(scene).await?;
    let names = |args: &[&str]| -> Result<Vec<String>> {
        let found = scene
            .cluster
            .kubectl(&[&["get", "--output=name"], args].concat())?;
        Ok(found.lines().map(str::to_owned).collect())
    };
    let label = format!("app.kubernetes.io/instance={RELEASE}");
    let mut left = names(&[FOR_THE_CLUSTER, "--selector", &label])?;
    left.extend(names(&[
        "roles,rolebindings",
        "--namespace=velero",
        "--selector",
        &label,
    ])?);
    left.extend(names(&[IN_ITS_NAMESPACE, "--namespace", NAMESPACE])?);
    left.extend(names(&[
        "restores.velero.io,downloadrequests.velero.io",
        "--all-namespaces",
        "--selector=kymaros.io/run-uid",
    ])?);
    left.retain(|name| name != "serviceaccount/default" && !stays.contains(&name.as_str()));
    if !left.is_empty() {
        bail!("this is left: {}", left.join(", "));
    }
    Ok(())
}

/// Sandboxes are deleted by Kubernetes in its own time.
async fn sandboxes_go(scene: &Scene) -> Result<()> {
    let api = Api::<Namespace>::all(scene.client.clone());
    let sandboxes = api
        .list(&ListParams::default().labels("kymaros.io/run-uid"))
        .await?;
    for sandbox in sandboxes {
        let (name, uid) = (sandbox.name_any(), sandbox.uid().unwrap_or_default());
        if sandbox.metadata.deletion_timestamp.is_none() {
            bail!("sandbox {name} stays");
        }
        let gone = await_condition(api.clone(), &name, is_deleted(&uid));
        tokio::time::timeout(Duration::from_mins(2), gone)
            .await
            .with_context(|| format!("sandbox {name} is still there after two minutes"))??;
    }
    Ok(())
}
