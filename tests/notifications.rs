//! Notifications on a real cluster, as far as they leave it: what stands in the way of a message is said, and mended without a
//! restart.

mod story;

use anyhow::{Context, Result};
use kube::{Api, runtime::wait::await_condition};
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_testbed::scene::{NAMESPACE, RELEASE, Scene};
use serde_json::json;
use story::{create_test, report_when, spec};

/// What the condition `Notified` says.
fn said(report: &RestoreReport) -> String {
    let conditions = report.status.iter().flat_map(|status| &status.conditions);
    let mut notified = conditions.filter(|condition| condition.type_ == "Notified");
    notified
        .next()
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_named_and_read_once_it_may() -> Result<()> {
    let mut scene = Scene::new().await?;
    let home = scene.namespace("told").await?;
    let kubectl = |args: &[&str]| scene.cluster.kubectl(&[args, &["--namespace", &home]].concat());
    kubectl(&[
        "create",
        "secret",
        "generic",
        "hook",
        "--from-literal=url=https://localhost/x",
    ])?;
    let told =
        json!({ "notifications": { "onFailure": [{ "type": "webhook", "webhookSecretRef": "hook" }] } });
    create_test(
        &scene.client,
        &home,
        "told",
        spec(&["elsewhere"], "never-taken", told),
    )
    .await?;
    let remedy =
        format!("add {{namespace: {home}, names: [hook]}} to the chart's value notifications.secrets");
    report_when(&scene.client, &home, "told", &remedy, |report| {
        said(report).contains(&remedy)
    })
    .await?;
    let account = format!("--serviceaccount={NAMESPACE}:{RELEASE}");
    kubectl(&[
        "create",
        "role",
        "hook",
        "--verb=get",
        "--resource=secrets",
        "--resource-name=hook",
    ])?;
    kubectl(&["create", "rolebinding", "hook", "--role=hook", &account])?;
    let fence = "its name is of a loopback";
    report_when(&scene.client, &home, "told", fence, |report| {
        said(report).contains(fence)
    })
    .await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &home);
    let adopted = await_condition(tests, "told", |test: Option<&RestoreTest>| {
        let conditions = test
            .iter()
            .flat_map(|test| &test.status)
            .flat_map(|status| &status.conditions);
        conditions
            .into_iter()
            .any(|c| c.type_ == "Notified" && c.message.contains(fence))
    });
    tokio::time::timeout(std::time::Duration::from_secs(30), adopted)
        .await
        .context("the test does not say it")??;
    Ok(())
}
