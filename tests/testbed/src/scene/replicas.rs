//! The replicas of the operator in the cluster: which of them leads, and whether all are there.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{Api, Client, runtime::wait::await_condition};
use tokio::time::timeout;

use super::operator::{NAMESPACE, RELEASE};

/// The Lease that the leader holds.
pub const LEASE: &str = "kymaros-leader";
/// Longest wait for another leader, or for a replica to come back.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pod that leads, as soon as it is another one than `before`.
///
/// # Errors
/// When none leads within a minute.
pub async fn leader(client: &Client, before: Option<&str>) -> Result<String> {
    let pod = |lease: Option<&Lease>| {
        let holder = lease?.spec.as_ref()?.holder_identity.as_deref()?;
        let (pod, _) = holder.split_once('_')?;
        (Some(pod) != before).then(|| pod.to_owned())
    };
    let leases = Api::<Lease>::namespaced(client.clone(), NAMESPACE);
    let led = await_condition(leases, LEASE, |lease: Option<&Lease>| pod(lease).is_some());
    let lease = timeout(PATIENCE, led).await.context("nobody leads")??;
    pod(lease.as_ref()).context("nobody leads")
}

/// Waits until all replicas are there and ready.
///
/// # Errors
/// When one is not within a minute.
pub async fn until_all_ready(client: &Client) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let ready = await_condition(deployments, RELEASE, |d: Option<&Deployment>| {
        let wanted = d.and_then(|d| d.spec.as_ref()).and_then(|s| s.replicas);
        let status = d.and_then(|d| d.status.as_ref());
        status.is_some_and(|s| s.ready_replicas == wanted && s.replicas == wanted)
    });
    timeout(PATIENCE, ready)
        .await
        .context("not all replicas are ready")??;
    Ok(())
}
