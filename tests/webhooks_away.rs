//! The webhooks that fence sandboxes are away, or let things through, and the operator is not. A file of its own, because
//! every run waits meanwhile.

mod helm;
mod remedy;
mod story;
mod unseen;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, Client, ResourceExt, api::ListParams};
use kymaros::velero::Restore;
use kymaros_crds::{RestoreReport, RunPhase, RunResult, names};
use kymaros_testbed::scene::{RELEASE, Scene, VELERO, delete_backup};
use serde_json::{Value, json};
use story::{
    create_test, finished, leftovers, phase, report_when, small, spec,
    webhooks::{put_back, take_away},
};
use tokio::sync::Mutex;

/// How the reason begins why a run waits for them.
const NOT_IN_PLACE: &str = "the webhooks that fence sandboxes are not in place: ";
/// They are the same for everybody.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// What a run says of them that stands in the queue because of them.
fn told(report: &RestoreReport) -> Option<&str> {
    let queue = report.status.as_ref().and_then(|s| s.queue.as_ref());
    let told = queue.and_then(|q| q.reason.strip_prefix(NOT_IN_PLACE));
    told.filter(|_| phase(report) == Some(RunPhase::Queued))
}

/// Tests are made, one after the other: when a second one waits too, the operator has looked again. What the last one
/// says, which is what is wrong with them.
async fn wait_in_the_queue(
    client: &Client,
    namespace: &str,
    tests: &[&str],
    tested: &Value,
    wrong: &str,
) -> Result<String> {
    let mut said = String::new();
    for test in tests {
        create_test(client, namespace, test, tested.clone()).await?;
        let waits = |report: &RestoreReport| told(report).is_some_and(|told| told.contains(wrong));
        let report = report_when(client, namespace, test, wrong, waits).await?;
        told(&report).unwrap_or_default().clone_into(&mut said);
    }
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let made = restores.list(&ours).await?;
    let made: Vec<String> = made.iter().map(ResourceExt::name_any).collect();
    // A panic would leave the cluster without them.
    ensure!(made.is_empty(), "restored without fences: {made:?}");
    Ok(said)
}

/// The runs go on, and nothing is wrong with what they restore.
async fn pass(client: &Client, namespace: &str, tests: &[&str]) -> Result<()> {
    for test in tests {
        let report = finished(client, namespace, test).await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(
            (status.score, status.result),
            (Some(100), Some(RunResult::Pass)),
            "{:?}",
            status.findings
        );
        assert_eq!(leftovers(client, &report).await?, Vec::<String>::new());
    }
    Ok(())
}

/// With a check that passes.
fn checked(namespace: &str, backup: &str) -> Value {
    let change = json!({ "healthChecks": { "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } });
    spec(&[namespace], backup, change)
}

#[tokio::test]
async fn with_the_webhooks_away_nothing_is_restored() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "unfenced").await?;
    let tested = checked(&namespace, &name);

    let tests = &["first", "second"];
    let saved = take_away::<ValidatingWebhookConfiguration>(&client).await?;
    let wrong = format!("ValidatingWebhookConfiguration {RELEASE} does not exist");
    let waited = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    put_back(&client, &saved).await?;
    waited?;
    pass(&client, &namespace, tests).await?;
    delete_backup(&client, &name).await
}
