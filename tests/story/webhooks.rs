//! Configurations of the operator's webhooks, taken away and put back.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::Result;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, PostParams},
    core::ClusterResourceScope,
};
use kymaros_testbed::scene::RELEASE;
use serde::{Serialize, de::DeserializeOwned};

/// A configuration as it is, such that it can be made again.
pub async fn as_it_is<K>(client: &Client) -> Result<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let mut saved = Api::<K>::all(client.clone()).get(RELEASE).await?;
    saved.meta_mut().resource_version = None;
    saved.meta_mut().uid = None;
    Ok(saved)
}

/// Deletes a configuration; what there was.
pub async fn take_away<K>(client: &Client) -> Result<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let saved = as_it_is::<K>(client).await?;
    let configurations = Api::<K>::all(client.clone());
    configurations.delete(RELEASE, &DeleteParams::default()).await?;
    Ok(saved)
}

/// Makes it again as it was.
pub async fn put_back<K>(client: &Client, saved: &K) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let configurations = Api::<K>::all(client.clone());
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    // Whoever comes next would restore nothing without them.
    loop {
        ticks.tick().await;
        match configurations.create(&PostParams::default(), saved).await {
            Err(_) if Instant::now() < deadline => {}
            made => return Ok(made.map(drop)?),
        }
    }
}
