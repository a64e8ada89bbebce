//! The life of runs on a real cluster, with a small application.

mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::{core::v1::Namespace, events::v1::Event};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RestoreTestPhase, RunPhase, RunResult, names};
use kymaros_testbed::scene::{Backup, Scene, backup, delete_backup, unique};
use serde_json::json;
use story::{create_test, finished, gone, phase, removal, report_when, run, small, spec, start_up};

fn web_check() -> serde_json::Value {
    json!({ "healthChecks": { "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } })
}

#[tokio::test]
async fn a_source_that_is_gone_is_the_very_disaster_this_is_for() -> Result<()> {
    let mut scene = Scene::new().await?;
    let home = scene.namespace("gone-home").await?;
    let (namespace, name) = small(&mut scene, "gone").await?;
    scene.remove(&namespace).await?;
    let report = run(&scene, &home, "gone", spec(&[&namespace], &name, web_check())).await?;
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_found_at_once() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, _) = small(&mut scene, "no-image").await?;
    let broken = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "web", "image": "kymaros.test/never-built:1", "imagePullPolicy": "Never" }] } } } });
    let api = Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(scene.client.clone(), &namespace);
    api.patch("web", &PatchParams::default(), &Patch::Strategic(broken))
        .await?;
    let name = unique("no-image");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let report = run(
        &scene,
        &namespace,
        "no-image",
        spec(&[&namespace], &name, web_check()),
    )
    .await?;
    let status = report.status.context("no status")?;
    assert_ne!(status.result, Some(RunResult::Pass));
    let waited = start_up(&status)?;
    assert!(
        waited < 100.0,
        "the run waited {waited} s for what could not come"
    );
    let finding = status
        .findings
        .iter()
        .find(|f| f.object.as_deref() == Some("Deployment/web"));
    let finding = finding.with_context(|| format!("nothing names the Deployment: {:?}", status.findings))?;
    assert!(
        finding.message.contains("kymaros.test/never-built:1"),
        "{}",
        finding.message
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn backups_that_cannot_be_restored_say_why() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "why").await?;
    let missing = run(
        &scene,
        &namespace,
        "missing",
        spec(&[&namespace], "never-taken", json!({})),
    )
    .await?;
    let status = missing.status.context("no status")?;
    assert_eq!(
        (status.score, status.result, status.cause),
        (Some(0), Some(RunResult::Fail), Some(Cause::Backup))
    );
    assert_eq!(status.reason.as_deref(), Some("BackupNotFound"));
    assert!(
        status
            .message
            .context("no message")?
            .contains("backup never-taken does not exist")
    );

    let other = run(
        &scene,
        &namespace,
        "other",
        spec(&["elsewhere"], &name, json!({})),
    )
    .await?;
    let status = other.status.context("no status")?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Fail), Some(Cause::Backup))
    );
    assert!(status.message.context("no message")?.contains("elsewhere"));
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn the_annotation_triggers_a_run_and_is_taken_off() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "trigger").await?;
    let quiet = spec(
        &[&namespace],
        &name,
        json!({ "suspend": true, "healthChecks": { "settle": "0s" } }),
    );
    create_test(&scene.client, &namespace, "trigger", quiet).await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    tests
        .patch("trigger", &PatchParams::default(), &Patch::Merge(&trigger))
        .await?;
    let report = finished(&scene.client, &namespace, "trigger").await?;
    assert_eq!(report.spec.trigger, Some(kymaros_crds::Trigger::Annotation));
    let shown = await_condition(tests, "trigger", |t: Option<&RestoreTest>| {
        t.is_some_and(|t| {
            let status = t.status.clone().unwrap_or_default();
            let cleared = !t.annotations().contains_key(names::TRIGGER_NOW_ANNOTATION);
            cleared && status.phase == Some(RestoreTestPhase::Completed) && status.last_score == Some(80)
        })
    });
    tokio::time::timeout(Duration::from_secs(20), shown)
        .await
        .context("the test does not show its run")??;
    let reports = Api::<RestoreReport>::namespaced(scene.client.clone(), &namespace)
        .list(&ListParams::default())
        .await?;
    assert_eq!(reports.items.len(), 1, "one trigger, one run");
    let both = ["Restoring", "Judged", "Completed"];
    let of = |kind: &'static str| both.map(|reason| (kind, reason));
    let told = [
        of("RestoreTest"),
        of("RestoreReport"),
        [("RestoreTest", "RunStarted"); 3],
    ]
    .concat();
    until_told(&scene.client, &namespace, &told).await?;
    delete_backup(&scene.client, &name).await
}

/// Waits until there are these events, each by the kind that it is of and its reason: what is said of a run comes after its
/// status.
async fn until_told(client: &Client, namespace: &str, wanted: &[(&str, &str)]) -> Result<()> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        let listed = events.list(&ListParams::default()).await?;
        let told: Vec<_> = listed
            .iter()
            .filter_map(|e| Some((e.regarding.as_ref()?.kind.as_deref()?, e.reason.as_deref()?)))
            .collect();
        if wanted.iter().all(|event| told.contains(event)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "of {wanted:?} only {told:?} were told");
    }
}

/// Deletes a test when its run is in this phase, and looks for what it left.
async fn deleted_in(client: &Client, namespace: &str, backup: &str, at: RunPhase) -> Result<()> {
    let test_of = |at: RunPhase| format!("delete-{at:?}").to_lowercase();
    let test = test_of(at);
    if at == RunPhase::Queued {
        // The first of all does not wait, and says so of no moment.
        let first = test_of(RunPhase::CleaningUp);
        report_when(client, namespace, &first, "a run before it", |_| true).await?;
    }
    // Only a run that is judged and cleaned up has come to its end. Judging waits for the logs.
    let settle = match at {
        RunPhase::Judging | RunPhase::CleaningUp => "0s",
        _ => "2m",
    };
    let slow = json!({ "healthChecks": { "settle": settle, "timeout": "5m" },
        "logCollection": { "enabled": at == RunPhase::Judging } });
    create_test(client, namespace, &test, spec(&[namespace], backup, slow)).await?;
    let is_there = |r: &RestoreReport| phase(r) == Some(at);
    let report = report_when(client, namespace, &test, &format!("{at:?}"), is_there).await?;
    removal::test_goes(client, &report).await
}

#[tokio::test]
async fn deleting_a_test_in_the_middle_of_a_run_leaves_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "delete").await?;
    // What is over soon is not first: its turn comes late enough to be seen.
    let phases = [
        RunPhase::CleaningUp,
        RunPhase::Judging,
        RunPhase::Checking,
        RunPhase::Starting,
        RunPhase::Restoring,
        RunPhase::Preparing,
        RunPhase::Queued,
    ];
    let deleted = phases.map(|at| deleted_in(&scene.client, &namespace, &name, at));
    try_join_all(deleted).await?;
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_sandbox_is_closed_and_production_keeps_its_namespace() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "closed").await?;
    let kept = spec(
        &[&namespace],
        &name,
        json!({ "sandbox": { "retention": "UntilTTL", "ttl": "3m" },
        "healthChecks": { "settle": "0s", "checks": [{ "name": "web answers", "type": "httpGet",
            "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } }),
    );
    let report = run(&scene, &namespace, "closed", kept).await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        status.result,
        Some(RunResult::Pass),
        "checks work in a closed namespace: {:?}",
        status.findings
    );
    let sandbox = status.sandboxes.first().context("no sandbox")?.name.clone();
    let reach = |from: &str, host: &str, port: &str| {
        let target = [
            "exec",
            "-n",
            from,
            "deployment/web",
            "--",
            "nc",
            "-w",
            "2",
            host,
            port,
            "-e",
            "true",
        ];
        scene.cluster.kubectl(&target).is_ok()
    };
    let outside = scene.cluster.kubectl(&[
        "get",
        "pods",
        "-n",
        &namespace,
        "-o",
        "jsonpath={.items[0].status.podIP}",
    ])?;
    let inside = scene.cluster.kubectl(&[
        "get",
        "pods",
        "-n",
        &sandbox,
        "-o",
        "jsonpath={.items[0].status.podIP}",
    ])?;
    assert!(reach(&namespace, &outside, "8080"), "the way of asking works");
    assert!(
        reach(&sandbox, &inside, "8080"),
        "inside the sandbox traffic flows"
    );
    assert!(!reach(&sandbox, &outside, "8080"), "a sandbox reaches production");
    assert!(
        !reach(&sandbox, "10.96.0.1", "443"),
        "a sandbox reaches the API server"
    );
    assert!(
        !reach(&namespace, &inside, "8080"),
        "production reaches a sandbox"
    );
    let lookup = [
        "exec",
        "-n",
        &sandbox,
        "deployment/web",
        "--",
        "nslookup",
        "kubernetes.default.svc.cluster.local",
    ];
    scene
        .cluster
        .kubectl(&lookup)
        .context("DNS does not work in the sandbox")?;

    // The report goes when its sandbox is gone, and so does the test.
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    tests.delete("closed", &DeleteParams::default()).await?;
    gone(Api::<Namespace>::all(scene.client.clone()), &sandbox).await?;
    let production = Api::<Namespace>::all(scene.client.clone())
        .get(&namespace)
        .await?;
    assert!(production.metadata.deletion_timestamp.is_none());
    delete_backup(&scene.client, &name).await
}
