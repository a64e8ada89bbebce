//! The webhooks that fence sandboxes are away, or let things through, and the operator is not. A file of its own, because
//! every run waits meanwhile.

mod story;

use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::ClusterResourceScope,
};
use kymaros::velero::Restore;
use kymaros_crds::{RestoreReport, RunPhase, RunResult, names};
use kymaros_testbed::scene::{RELEASE, Scene, VELERO, delete_backup};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use story::{create_test, finished, leftovers, phase, report_when, small, spec};

const NEUTRALISE: &str = "neutralise.kymaros.io";

/// A run that stands in the queue because of them, and says what is wrong.
fn waits(report: &RestoreReport, wrong: &str) -> bool {
    let queue = report.status.as_ref().and_then(|s| s.queue.as_ref());
    let names_them = queue.is_some_and(|q| {
        q.reason
            .contains("the webhooks that fence sandboxes are not in place")
            && q.reason.contains(wrong)
    });
    phase(report) == Some(RunPhase::Queued) && names_them
}

/// Tests are made, one after the other: when a second one waits too, the operator has looked again.
async fn wait_in_the_queue(
    client: &Client,
    namespace: &str,
    tests: &[&str],
    tested: &Value,
    wrong: &str,
) -> Result<()> {
    for test in tests {
        create_test(client, namespace, test, tested.clone()).await?;
        let waits = |report: &RestoreReport| waits(report, wrong);
        report_when(client, namespace, test, wrong, waits).await?;
    }
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let made = restores.list(&ours).await?;
    let made: Vec<String> = made.iter().map(ResourceExt::name_any).collect();
    // A panic would leave the cluster without them.
    ensure!(made.is_empty(), "restored without fences: {made:?}");
    Ok(())
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

/// Deletes a configuration; what there was.
async fn take_away<K>(client: &Client) -> Result<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let configurations = Api::<K>::all(client.clone());
    let mut saved = configurations.get(RELEASE).await?;
    configurations.delete(RELEASE, &DeleteParams::default()).await?;
    saved.meta_mut().resource_version = None;
    saved.meta_mut().uid = None;
    Ok(saved)
}

async fn put_back<K>(client: &Client, saved: &K) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let configurations = Api::<K>::all(client.clone());
    configurations.create(&PostParams::default(), saved).await?;
    Ok(())
}

/// Sets what becomes of objects in sandboxes while nobody answers who could make them harmless.
async fn unanswered(client: &Client, policy: &str) -> Result<()> {
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let patch = json!({ "webhooks": [{ "name": NEUTRALISE, "failurePolicy": policy }] });
    let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
    configurations.patch(RELEASE, &params, &patch).await?;
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

    let tests = &["first", "second"];
    let saved = take_away::<ValidatingWebhookConfiguration>(&client).await?;
    let wrong = format!("ValidatingWebhookConfiguration {RELEASE} does not exist");
    let waited = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    put_back(&client, &saved).await?;
    waited?;
    pass(&client, &namespace, tests).await?;

    // The other one is there, and asked: the operator writes what is wrong past its own guard.
    let tests = &["third"];
    let saved = take_away::<MutatingWebhookConfiguration>(&client).await?;
    let wrong = format!("MutatingWebhookConfiguration {RELEASE} does not exist");
    let waited = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    put_back(&client, &saved).await?;
    waited?;
    pass(&client, &namespace, tests).await?;

    let tests = &["fourth"];
    unanswered(&client, "Ignore").await?;
    let wrong = format!(
        "MutatingWebhookConfiguration {RELEASE}, webhook {NEUTRALISE}: its failurePolicy is Ignore, not Fail"
    );
    let waited = wait_in_the_queue(&client, &namespace, tests, &tested, &wrong).await;
    unanswered(&client, "Fail").await?;
    waited?;
    pass(&client, &namespace, tests).await?;
    delete_backup(&client, &name).await
}
