//! The bundles in the webhook configurations: put back when lost, and nothing else is touched.

use std::time::Duration;

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams};
use kymaros_certs::Lifetimes;
use serde_json::json;

use crate::{
    replica::Replica,
    stage::{Stage, entry},
};

fn lifetimes() -> Result<Lifetimes> {
    let hour = Duration::from_hours(1);
    Ok(Lifetimes::new(hour * 100, hour, Duration::from_millis(100))?)
}

/// A stage on which all is well, and the bundle that everybody has.
async fn well() -> Result<(Stage, Replica, String)> {
    let stage = Stage::new().await?;
    let replica = Replica::start(&stage, stage.settings(lifetimes()?)?)?;
    replica.ready().await?;
    stage.answered().await?;
    let secret = stage
        .secret_when("publication", |s| !entry(s, "ca.published").is_empty())
        .await?;
    let bundle = entry(&secret, "ca.crt");
    stage.bundles_when("the authority", |b| b == bundle).await?;
    Ok((stage, replica, bundle))
}

#[tokio::test]
async fn a_lost_bundle_is_put_back_and_nothing_else_is_touched() -> Result<()> {
    let (stage, replica, bundle) = well().await?;
    let before = stage.validating().get(&stage.configuration).await?.webhooks;
    let foreign = rcgen::generate_simple_self_signed(["example.com".to_owned()])?
        .cert
        .pem();
    for wrong in [
        None,
        Some("garbage".to_owned()),
        Some(foreign),
        Some(format!("{bundle}# and more")),
    ] {
        let wrong = wrong.map(|text| k8s_openapi::ByteString(text.into_bytes()));
        let webhook =
            json!({ "name": "two.certificates.kymaros.test", "clientConfig": { "caBundle": wrong } });
        let patch = Patch::Strategic(json!({ "webhooks": [webhook] }));
        let params = PatchParams::default();
        stage
            .validating()
            .patch(&stage.configuration, &params, &patch)
            .await?;
        stage.bundles_when("the bundle again", |b| b == bundle).await?;
    }
    let after = stage.validating().get(&stage.configuration).await?.webhooks;
    let sorted = |webhooks: Option<Vec<_>>| {
        let mut webhooks: Vec<k8s_openapi::api::admissionregistration::v1::ValidatingWebhook> =
            webhooks.unwrap_or_default();
        webhooks.sort_by(|a, b| a.name.cmp(&b.name));
        webhooks
    };
    assert_eq!(sorted(after), sorted(before));
    replica.ready().await
}

#[tokio::test]
async fn a_chart_that_is_applied_again_changes_nothing_and_can_drop_a_webhook() -> Result<()> {
    let (stage, replica, bundle) = well().await?;
    let version = |o: &k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration| {
        o.metadata.generation
    };
    let before = stage.validating().get(&stage.configuration).await?;
    stage.apply_configurations().await?;
    let after = stage.validating().get(&stage.configuration).await?;
    assert_eq!(
        version(&before),
        version(&after),
        "applying without caBundle is a change"
    );
    stage.apply_fewer_webhooks().await?;
    let fewer = stage.validating().get(&stage.configuration).await?;
    let names: Vec<_> = fewer.webhooks.iter().flatten().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["one.certificates.kymaros.test"]);
    stage.apply_configurations().await?;
    stage
        .bundles_when("the bundle in the webhook that came back", |b| b == bundle)
        .await?;
    replica.ready().await
}

#[tokio::test]
async fn a_configuration_that_is_made_again_gets_its_bundle() -> Result<()> {
    let (stage, replica, bundle) = well().await?;
    stage
        .mutating()
        .delete(&stage.configuration, &DeleteParams::default())
        .await?;
    let missing = |r: &kymaros_certs::Readiness| matches!(r, kymaros_certs::Readiness::Missing { .. });
    replica.when("a missing configuration", missing).await?;
    stage.apply_configurations().await?;
    replica.ready().await?;
    stage.bundles_when("the bundle", |b| b == bundle).await?;
    stage.answered().await
}
