//! What happens while Velero is in the middle of a Restore, which is stopped there.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::DeleteParams, runtime::wait::await_condition};
use kymaros::velero::{Restore, restore::RestorePhase};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RunPhase, RunResult};
use kymaros_testbed::{
    scene::{Scene, VELERO, delete_backup, wait_ready},
    signals::signal,
};
use serde_json::json;

use crate::{
    ONE_AT_A_TIME,
    story::{
        create_test, finished, gone, phase, removal, report_when, shop, spec, until_nothing_is_left,
        velero::{server, stop_in_the_middle},
    },
};

/// How a Restore ended: its phase, and why.
async fn ended(restores: Api<Restore>, name: &str) -> Result<(RestorePhase, String)> {
    let is_over = |r: Option<&Restore>| r.is_some_and(|r| RestorePhase::of(r).is_terminal());
    let over = tokio::time::timeout(Duration::from_mins(3), await_condition(restores, name, is_over));
    let over = over.await.with_context(|| format!("{name} does not end"))??;
    let over = over.context("it is gone")?;
    let why = over.status.as_ref().and_then(|s| s.failure_reason.clone());
    Ok((RestorePhase::of(&over), why.unwrap_or_default()))
}

#[tokio::test]
async fn a_velero_that_dies_in_the_middle_of_a_restore_is_no_failed_backup() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = shop(&mut scene, "midway").await?;
    let killed = server()?;
    create_test(
        &client,
        &namespace,
        "midway",
        spec(&[&namespace], &name, json!({})),
    )
    .await?;
    let stopped = stop_in_the_middle(&client, &killed).await;
    signal("-KILL", &killed)?;
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let end = ended(restores, &stopped?).await?;
    let report = finished(&client, &namespace, "midway").await?;
    let status = report.status.clone().context("no status")?;
    let disturbed = status.findings.iter().filter(|f| f.reason == "RestoreDisturbed");
    let disturbed: Vec<&str> = disturbed.map(|f| f.message.as_str()).collect();
    match end {
        (RestorePhase::Failed, why) if why.contains("during the server starting") => {
            let again = "try 1 of the restore was disturbed and is made again: Velero was restarted while it restored";
            assert_eq!((status.attempt, disturbed), (Some(2), vec![again]));
        }
        // What it had asked last was done after it was stopped, and the next one had little left to do.
        (RestorePhase::Completed, _) => assert_eq!((status.attempt, disturbed), (None, Vec::new())),
        other => bail!("no restart ends a restore like this: {other:?}"),
    }
    assert_eq!(
        (status.score, status.result),
        (Some(80), Some(RunResult::Partial)),
        "nothing but its checks is missing: {:?}",
        status.findings
    );
    let blames = status.findings.iter().any(|f| f.cause == Cause::Backup);
    assert!(!blames, "the backup is accused: {:?}", status.findings);
    until_nothing_is_left(&client, &report).await?;
    wait_ready(&client, VELERO, "deploy=velero", 1).await?;
    delete_backup(&client, &name).await
}

/// A process that stands still until this is dropped.
struct Stopped(String);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended.
        let _ = signal("-CONT", &self.0);
    }
}

/// A run of which Velero stands still in the middle of the Restore.
async fn restoring(
    client: &Client,
    (namespace, backup): (&str, &str),
    test: &str,
) -> Result<(RestoreReport, Stopped)> {
    let velero = Stopped(server()?);
    create_test(client, namespace, test, spec(&[namespace], backup, json!({}))).await?;
    stop_in_the_middle(client, &velero.0).await?;
    let report = report_when(client, namespace, test, "its restore", |r| {
        phase(r) == Some(RunPhase::Restoring)
    })
    .await?;
    Ok((report, velero))
}

/// Looks for some seconds whether a sandbox comes back: Velero may still be restoring when its Restore is gone.
async fn stays_away(namespaces: &Api<Namespace>, sandbox: &str) -> Result<()> {
    let is_there = |namespace: Option<&Namespace>| namespace.is_some();
    let comes = await_condition(namespaces.clone(), sandbox, is_there);
    let came = tokio::time::timeout(Duration::from_secs(5), comes).await;
    ensure!(came.is_err(), "Velero made {sandbox} again");
    Ok(())
}

#[tokio::test]
async fn what_somebody_deletes_while_velero_restores_leaves_nothing() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = shop(&mut scene, "deleted").await?;
    let namespaces = Api::<Namespace>::all(client.clone());

    let (report, velero) = restoring(&client, (&namespace, &name), "sandbox").await?;
    removal::sandbox_goes(&client, &report).await?;
    let sandbox = removal::sandbox_of(&report)?;
    gone(namespaces.clone(), &sandbox).await?;
    // Velero makes namespaces that it misses, and goes on restoring into them.
    drop(velero);
    finished(&client, &namespace, "sandbox").await?;
    until_nothing_is_left(&client, &report).await?;
    stays_away(&namespaces, &sandbox).await?;

    let (report, velero) = restoring(&client, (&namespace, &name), "test").await?;
    let sandbox = removal::sandbox_of(&report)?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    tests.delete("test", &DeleteParams::default()).await?;
    gone(namespaces.clone(), &sandbox).await?;
    drop(velero);
    gone(tests, "test").await?;
    until_nothing_is_left(&client, &report).await?;
    stays_away(&namespaces, &sandbox).await?;
    delete_backup(&client, &name).await
}
