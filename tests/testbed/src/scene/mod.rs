//! What tests and the demo play on: namespaces of their own, the shop in them, backups of it, and the operator.

mod apply;
mod backup;
mod diagnose;
mod location;
mod operator;
mod replicas;
mod rights;
mod scale;
mod shop;

pub use apply::apply;
pub use backup::{Backup, VELERO, backup, delete_backup};
pub use location::{authority_in, forget_authority, forget_location, location, move_location};
pub use operator::{
    AUTHORITY_SECRET, LISTED_KIND, NAMESPACE, Operator, RELEASE, SIGNING_KEY, SIGNING_SECRET, deploy, scale,
};
pub use replicas::{LEASE, leader, until_all_ready};
pub use rights::until_allowed;
pub use scale::scale_deployment;
pub use shop::{deploy_shop, load_shop, wait_ready};

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};

use crate::cluster::Cluster;

/// Marks the namespaces of scenes with the process that made them.
const SCENE_LABEL: &str = "kymaros.test/scene";

/// A place for one test: it makes its namespaces and removes them at its end. When the test failed, it prints first
/// what a person would ask for.
pub struct Scene {
    /// The cluster.
    pub cluster: Cluster,
    /// Talks to its API server.
    pub client: Client,
    namespaces: Vec<String>,
}

impl Scene {
    /// A scene in a cluster that is up.
    ///
    /// # Errors
    /// When there is no cluster; says how to get one.
    pub async fn new() -> Result<Self> {
        let cluster = crate::cluster::find()?;
        let client = cluster.client().await?;
        Ok(Self {
            cluster,
            client,
            namespaces: Vec::new(),
        })
    }

    /// Makes a namespace whose name begins with `stem` and that nobody else has.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&mut self, stem: &str) -> Result<String> {
        let name = unique(stem);
        self.namespace_called(&name).await?;
        Ok(name)
    }

    /// Makes a namespace of this name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace_called(&mut self, name: &str) -> Result<()> {
        let namespace: Namespace = serde_json::from_value(serde_json::json!({
            "metadata": { "name": name, "labels": { SCENE_LABEL: std::process::id().to_string() } },
        }))?;
        let api = Api::<Namespace>::all(self.client.clone());
        api.create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("making namespace {name}"))?;
        self.namespaces.push(name.to_owned());
        Ok(())
    }

    /// Removes a namespace now and waits until it is gone.
    ///
    /// # Errors
    /// When the API server refuses, or it is not gone within two minutes.
    pub async fn remove(&mut self, name: &str) -> Result<()> {
        let api = Api::<Namespace>::all(self.client.clone());
        api.delete(name, &DeleteParams::background()).await?;
        let gone = kube::runtime::wait::await_condition(api, name, |n: Option<&Namespace>| n.is_none());
        tokio::time::timeout(std::time::Duration::from_mins(2), gone)
            .await
            .with_context(|| format!("namespace {name} is still there after two minutes"))??;
        self.namespaces.retain(|n| n != name);
        Ok(())
    }
}

/// Removes the namespaces of processes that are not there any more: one that was interrupted leaves its own, and what is in them may
/// hold ports of the node.
///
/// # Errors
/// When the API server refuses, or one of them is not gone within two minutes.
pub async fn remove_abandoned(cluster: &Cluster, client: &Client) -> Result<()> {
    let of_scenes = ListParams::default().labels(SCENE_LABEL);
    let namespaces = Api::<Namespace>::all(client.clone());
    let all = namespaces.list_metadata(&of_scenes).await?;
    let abandoned = all.iter().filter(|namespace| {
        let maker = namespace.labels().get(SCENE_LABEL);
        maker.is_some_and(|process| !Path::new("/proc").join(process).exists())
    });
    let names: Vec<String> = abandoned.map(ResourceExt::name_any).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut delete = vec!["delete", "namespace", "--ignore-not-found", "--timeout=2m"];
    delete.extend(names.iter().map(String::as_str));
    cluster.kubectl(&delete).map(drop)
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            diagnose::print(&self.cluster, &self.namespaces);
        }
        for namespace in &self.namespaces {
            // Nobody waits for it: the next test has namespaces of its own.
            let _ = self.cluster.kubectl(&[
                "delete",
                "namespace",
                namespace,
                "--wait=false",
                "--ignore-not-found",
            ]);
        }
    }
}

/// A name nobody else has: tests run side by side, in this process and in others.
#[must_use]
pub fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let seconds = jiff::Timestamp::now().as_second() % 100_000;
    format!(
        "{stem}-{}-{seconds}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
