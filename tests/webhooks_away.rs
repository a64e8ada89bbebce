//! The webhooks that fence sandboxes are away, and the operator is not. A file of its own, because every run waits meanwhile.

mod story;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use kymaros::velero::Restore;
use kymaros_crds::{RestoreReport, RunPhase, RunResult, names};
use kymaros_testbed::scene::{RELEASE, Scene, VELERO, delete_backup};
use serde_json::{Value, json};
use story::{create_test, finished, leftovers, phase, report_when, small, spec};

/// A run that stands in the queue because of them.
fn waits(report: &RestoreReport) -> bool {
    let queue = report.status.as_ref().and_then(|s| s.queue.as_ref());
    let missing = format!("ValidatingWebhookConfiguration {RELEASE} does not exist");
    let names_them = queue.is_some_and(|q| {
        q.reason
            .contains("the webhooks that fence sandboxes are not in place")
            && q.reason.contains(&missing)
    });
    phase(report) == Some(RunPhase::Queued) && names_them
}

/// Two tests are made, one after the other: when the second one waits too, the operator has looked again.
async fn wait_in_the_queue(client: &Client, namespace: &str, tested: &Value) -> Result<()> {
    for test in ["first", "second"] {
        create_test(client, namespace, test, tested.clone()).await?;
        report_when(client, namespace, test, "its place in the queue", waits).await?;
    }
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let made = restores.list(&ours).await?;
    let made: Vec<String> = made.iter().map(ResourceExt::name_any).collect();
    // A panic would leave the cluster without them.
    ensure!(made.is_empty(), "restored without fences: {made:?}");
    Ok(())
}

#[tokio::test]
async fn with_the_webhooks_away_nothing_is_restored() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "unfenced").await?;
    let checked = json!({ "healthChecks": { "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } });
    let tested = spec(&[&namespace], &name, checked);
    let configurations = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    let mut saved = configurations.get(RELEASE).await?;
    configurations.delete(RELEASE, &DeleteParams::default()).await?;
    let waited = wait_in_the_queue(&client, &namespace, &tested).await;
    saved.metadata.resource_version = None;
    saved.metadata.uid = None;
    configurations.create(&PostParams::default(), &saved).await?;
    waited?;
    for test in ["first", "second"] {
        let report = finished(&client, &namespace, test).await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(
            (status.score, status.result),
            (Some(100), Some(RunResult::Pass)),
            "{:?}",
            status.findings
        );
        assert_eq!(leftovers(&client, &report).await?, Vec::<String>::new());
    }
    delete_backup(&client, &name).await
}
