//! The demo shop in a namespace.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, reflector, watcher},
};

use super::apply;
use crate::{cluster::Cluster, images::shop, places, progress::Progress};

/// Makes the shop's image, unless the cache has it, and gives it to the cluster.
///
/// # Errors
/// When its packages cannot be had or the cluster does not take it.
pub async fn load_shop(cluster: &Cluster, progress: &dyn Progress) -> Result<()> {
    let cache = places::cache("images");
    let image = shop::image(Path::new("/bin/busybox"), &cache, &|text| progress.update(text))?;
    cluster.load_image(&image.path).await
}

/// Deploys the shop and waits until both its parts are ready.
///
/// # Errors
/// When it is refused or not ready within two minutes.
pub async fn deploy_shop(client: &Client, namespace: &str) -> Result<()> {
    apply(client, namespace, shop::MANIFEST).await?;
    wait_ready(client, namespace, "app=shop", 2).await
}

/// Waits until exactly `count` pods match and all of them are ready.
///
/// # Errors
/// When they are not within two minutes.
pub async fn wait_ready(client: &Client, namespace: &str, labels: &str, count: usize) -> Result<()> {
    use futures::TryStreamExt;
    let (pods, writer) = reflector::store::<Pod>();
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let events = watcher(api, watcher::Config::default().labels(labels))
        .default_backoff()
        .reflect(writer);
    let mut events = std::pin::pin!(events);
    let ready = async {
        while events.try_next().await?.is_some() {
            let state = pods.state();
            if state.len() == count && state.iter().all(|p| is_ready(p)) {
                return Ok(());
            }
        }
        anyhow::bail!("the watch ended")
    };
    tokio::time::timeout(Duration::from_mins(2), ready)
        .await
        .with_context(|| format!("pods {labels} in {namespace} are not ready after two minutes"))?
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}
