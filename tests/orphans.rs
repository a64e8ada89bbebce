//! Sandboxes that nobody looks after any more. A file of its own, because there is no operator meanwhile.

mod story;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase};
use kymaros_testbed::scene::{Scene, delete_backup, scale};
use serde_json::json;
use story::{answers, create_test, gone, phase, report_when, run, small, spec, until_nothing_is_left};
use tokio::sync::Mutex;

/// One of them runs without an operator.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Deletes an object and takes off what holds it, as people do who are in a hurry.
async fn tear_out<K>(api: Api<K>, name: &str) -> Result<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    api.delete(name, &DeleteParams::background()).await?;
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    match api.patch(name, &PatchParams::default(), &free).await {
        // Nothing held it, or it went with its owner.
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        freed => drop(freed?),
    }
    gone(api, name).await
}

/// Test and report go, and their sandbox is still there.
async fn forget(client: &Client, report: &RestoreReport, sandbox: &str) -> Result<()> {
    let namespace = report.namespace().context("no namespace")?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    tear_out(reports, &report.name_any()).await?;
    tear_out(tests, &report.spec.test_ref).await?;
    let left = Api::<Namespace>::all(client.clone()).get(sandbox).await?;
    // A panic would leave the cluster without an operator.
    ensure!(
        left.metadata.deletion_timestamp.is_none(),
        "{sandbox} goes by itself"
    );
    Ok(())
}

#[tokio::test]
async fn a_sandbox_whose_test_and_report_are_gone_is_swept() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "orphan").await?;
    // Longer than anybody waits here: it does not go because its time has come.
    let kept = json!({ "sandbox": { "retention": "UntilTTL", "ttl": "30m" } });
    let report = run(&scene, &namespace, "orphan", spec(&[&namespace], &name, kept)).await?;
    let sandboxes = report.status.as_ref().map(|s| s.sandboxes.clone());
    let sandbox = sandboxes.unwrap_or_default().pop().context("no sandbox")?;
    assert_eq!(sandbox.state.as_deref(), Some("Retained"));
    let replicas = scale(&client, 0).await?;
    let forgotten = forget(&client, &report, &sandbox.name).await;
    scale(&client, replicas).await?;
    forgotten?;
    gone(Api::<Namespace>::all(client.clone()), &sandbox.name).await?;
    until_nothing_is_left(&client, &report).await?;
    answers(&client, &namespace).await?;
    delete_backup(&client, &name).await
}

#[tokio::test]
async fn a_run_whose_report_is_torn_out_while_velero_restores_leaves_nothing() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "torn").await?;
    create_test(&client, &namespace, "torn", spec(&[&namespace], &name, json!({}))).await?;
    let restores = |r: &RestoreReport| phase(r) == Some(RunPhase::Restoring);
    let report = report_when(&client, &namespace, "torn", "its restore", restores).await?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    tests.delete("torn", &DeleteParams::background()).await?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    tear_out(reports, &report.name_any()).await?;
    // Its time has not come: the operator sees that nobody looks after it.
    until_nothing_is_left(&client, &report).await?;
    gone(tests, "torn").await?;
    answers(&client, &namespace).await?;
    delete_backup(&client, &name).await
}
