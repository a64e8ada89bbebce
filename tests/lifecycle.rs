//! Replicas of the operator come and go, at the worst moments. A file of its own, because others would miss the webhooks
//! meanwhile.

mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use kymaros_crds::{RestoreReport, RunPhase, RunResult};
use kymaros_testbed::scene::{
    Backup, NAMESPACE, Scene, apply, backup, delete_backup, leader, unique, until_all_ready, wait_ready,
};
use serde_json::json;
use story::{
    SMALL, assert_recovery_time, create_test, finished, leftovers, phase, report_when, small, spec, stopwatch,
};
use tokio::sync::Mutex;

/// After the death of a leader another replica goes on with its runs within this.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// Each of these stories needs all replicas for itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_run_goes_on_though_its_leader_is_killed_in_every_phase() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("killed").await?;
    apply(&client, &namespace, SMALL).await?;
    wait_ready(&client, &namespace, "app=small", 1).await?;
    let name = unique("killed");
    backup(&client, &name, &Backup::of(&[&namespace])).await?;
    until_all_ready(&client).await?;
    let checked = json!({ "healthChecks": { "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } });
    create_test(&client, &namespace, "killed", spec(&[&namespace], &name, checked)).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let at_once = DeleteParams::default().grace_period(0);
    let mut killed: Option<String> = None;
    for moment in [
        RunPhase::Preparing,
        RunPhase::Restoring,
        RunPhase::Starting,
        RunPhase::Checking,
        RunPhase::CleaningUp,
    ] {
        report_when(&client, &namespace, "killed", "its next phase", |r| {
            phase(r) >= Some(moment)
        })
        .await?;
        let leads = leader(&client, killed.as_deref()).await?;
        pods.delete(&leads, &at_once).await?;
        let begun = Instant::now();
        leader(&client, Some(&leads)).await?;
        let took = begun.elapsed();
        assert!(
            took < TAKEN_OVER,
            "nobody took the run over for {took:?} in {moment:?}"
        );
        println!("another replica goes on with {moment:?} after {took:?}");
        killed = Some(leads);
    }
    let report = finished(&client, &namespace, "killed").await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    assert_eq!(leftovers(&client, &report).await?, Vec::<String>::new());
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    let reports = reports.list(&ListParams::default()).await?.items;
    assert_eq!(reports.len(), 1, "a run was started twice");
    until_all_ready(&client).await?;
    delete_backup(&client, &name).await
}

#[tokio::test]
async fn a_leader_that_is_killed_loses_no_time_of_the_recovery() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "timed").await?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    for moment in [RunPhase::Restoring, RunPhase::Starting] {
        until_all_ready(&client).await?;
        let test = format!("timed-{moment:?}").to_lowercase();
        let sandbox = unique("timed-sandbox");
        let shown = tokio::spawn(stopwatch(client.clone(), sandbox.clone()));
        // Without checks: one passes when there is an operator that looks.
        let mut timed = spec(&[&namespace], &name, json!({}));
        timed["backupSource"]["namespaces"][0]["sandboxName"] = json!(sandbox);
        create_test(&client, &namespace, &test, timed).await?;
        report_when(&client, &namespace, &test, &format!("{moment:?}"), |r| {
            phase(r) >= Some(moment)
        })
        .await?;
        let leads = leader(&client, None).await?;
        pods.delete(&leads, &DeleteParams::default().grace_period(0))
            .await?;
        let report = finished(&client, &namespace, &test).await?;
        assert_recovery_time(&report, shown.await??).with_context(|| format!("killed in {moment:?}"))?;
    }
    until_all_ready(&client).await?;
    delete_backup(&client, &name).await
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let scene = Scene::new().await?;
    let client = scene.client.clone();
    until_all_ready(&client).await?;
    let before = leader(&client, None).await?;
    let begun = Instant::now();
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    pods.delete(&before, &DeleteParams::default()).await?;
    leader(&client, Some(&before)).await?;
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "it waited for the lease to run out: {took:?}"
    );
    println!("another replica leads after {took:?}");
    until_all_ready(&client).await
}
