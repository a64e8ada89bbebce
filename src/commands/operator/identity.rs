//! Who this process is to the cluster.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};

/// Pauses between questions to an API server that refuses them. After the last one the process ends, and the kubelet
/// starts it anew.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// The user name the API server knows us by.
pub(super) async fn who_am_i(client: &Client) -> anyhow::Result<String> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let error = match ask(client).await {
            Ok(username) => return username.context("the API server does not say who we are"),
            Err(error) => error,
        };
        let Some(pause) = pauses.next() else {
            return Err(error).context("the API server does not answer");
        };
        tracing::warn!(%error, ?pause, "the API server does not say who we are; asks again");
        tokio::time::sleep(pause).await;
    }
}

async fn ask(client: &Client) -> Result<Option<String>, kube::Error> {
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    Ok(review.status.and_then(|s| s.user_info).and_then(|u| u.username))
}

pub(super) fn pod_name() -> Option<String> {
    std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .ok()
}

pub(super) fn pod_uid() -> Option<String> {
    std::env::var("POD_UID").ok()
}
