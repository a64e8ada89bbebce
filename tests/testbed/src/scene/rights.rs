//! Rights that were just given.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

/// Waits until the API server knows that a user has a right; `asked` is a part of the spec of a `SubjectAccessReview`. It
/// may learn late of a role, and whoever asked too early keeps its refusal in mind.
///
/// # Errors
/// When it refuses to answer, or does not know within half a minute.
pub async fn until_allowed(client: &Client, user: &str, asked: &Value) -> Result<()> {
    let mut review = json!({ "spec": asked });
    review["spec"]["user"] = json!(user);
    let review: SubjectAccessReview = serde_json::from_value(review)?;
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let answered = reviews.create(&PostParams::default(), &review).await?;
        if answered.status.is_some_and(|status| status.allowed) {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "{user} did not get the right to {asked}"
        );
    }
}
