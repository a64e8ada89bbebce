//! Velero belongs to others too, and it can fail under a run. A file of its own, because no other story can go on meanwhile.

mod midway;
mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    runtime::wait::await_condition,
};
use kymaros::velero::Restore;
use kymaros_crds::{Cause, RestoreReport, RunPhase, RunResult, names};
use kymaros_testbed::signals::{find, signal};
use kymaros_testbed::{
    places::{NODE_ADDRESS, S3_PORT},
    scene::{Scene, VELERO, delete_backup, scale_deployment, unique},
};
use serde_json::json;
use story::{
    assert_undecided, create_test, finished, leftovers, phase, report_when, shop, small, spec,
    until_nothing_is_left,
    velero::{server, stop_in_the_middle},
};
use tokio::sync::Mutex;

/// There is one Velero.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A Restore of somebody who recovers in earnest; its name.
async fn recover(restores: &Api<Restore>, backup: &str, (from, to): (&str, &str)) -> Result<String> {
    let recovery = unique("recovery");
    let restore: Restore = serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": { "name": recovery, "namespace": VELERO },
        "spec": { "backupName": backup, "includedNamespaces": [from], "namespaceMapping": { from: to } },
    }))?;
    restores.create(&PostParams::default(), &restore).await?;
    Ok(recovery)
}

#[tokio::test]
async fn a_restore_of_somebody_else_goes_first() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "foreign").await?;
    let elsewhere = scene.namespace("foreign-to").await?;
    // Without Velero, everything stands where it is for as long as it is looked at.
    scale_deployment(&client, VELERO, "velero", 0).await?;
    create_test(
        &client,
        &namespace,
        "first",
        spec(&[&namespace], &name, json!({})),
    )
    .await?;
    report_when(&client, &namespace, "first", "its preparations", |r| {
        phase(r) == Some(RunPhase::Preparing)
    })
    .await?;
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let recovery = recover(&restores, &name, (&namespace, &elsewhere)).await?;
    let begun = Instant::now();
    let waits = |r: &kymaros_crds::RestoreReport| {
        let reason = r
            .status
            .as_ref()
            .and_then(|s| s.queue.as_ref())
            .map(|q| q.reason.clone());
        phase(r) == Some(RunPhase::Queued) && reason.is_some_and(|why| format!("{why:?}").contains(&recovery))
    };
    report_when(&client, &namespace, "first", "its withdrawal", waits).await?;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "it withdrew after {took:?}");
    println!("it withdrew after {took:?}");
    create_test(
        &client,
        &namespace,
        "second",
        spec(&[&namespace], &name, json!({})),
    )
    .await?;
    report_when(&client, &namespace, "second", "its place behind", waits).await?;
    let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY));
    let none: Vec<String> = restores
        .list(&ours)
        .await?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(
        none,
        Vec::<String>::new(),
        "a test went to Velero before the recovery"
    );

    scale_deployment(&client, VELERO, "velero", 1).await?;
    let terminal = await_condition(restores.clone(), &recovery, |r: Option<&Restore>| {
        let phase = r.and_then(|r| r.status.as_ref()).and_then(|s| s.phase.clone());
        phase.is_some_and(|phase| format!("{phase:?}").contains("Completed"))
    });
    tokio::time::timeout(Duration::from_mins(3), terminal)
        .await
        .context("the recovery does not end")??;
    for test in ["first", "second"] {
        let report = finished(&client, &namespace, test).await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(status.result, Some(RunResult::Partial), "{:?}", status.findings);
        assert_eq!(
            status.score,
            Some(80),
            "nothing but its checks is missing: {:?}",
            status.findings
        );
        assert_eq!(leftovers(&client, &report).await?, Vec::<String>::new());
    }
    restores.delete(&recovery, &DeleteParams::default()).await?;
    delete_backup(&client, &name).await
}

#[tokio::test]
async fn a_backup_that_goes_while_its_test_waits_is_not_accused() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "expired").await?;
    let elsewhere = scene.namespace("expired-to").await?;
    // Without Velero, everything stands where it is for as long as it is looked at.
    scale_deployment(&client, VELERO, "velero", 0).await?;
    create_test(
        &client,
        &namespace,
        "expired",
        spec(&[&namespace], &name, json!({})),
    )
    .await?;
    let has_chosen =
        |r: &kymaros_crds::RestoreReport| r.status.as_ref().is_some_and(|s| !s.sources.is_empty());
    report_when(&client, &namespace, "expired", "its backup", has_chosen).await?;
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let recovery = recover(&restores, &name, (&namespace, &elsewhere)).await?;
    report_when(&client, &namespace, "expired", "its withdrawal", |r| {
        phase(r) == Some(RunPhase::Queued)
    })
    .await?;
    let backups = Api::<kymaros::velero::Backup>::namespaced(client.clone(), VELERO);
    backups.delete(&name, &DeleteParams::default()).await?;
    restores.delete(&recovery, &DeleteParams::default()).await?;
    let report = finished(&client, &namespace, "expired").await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        (status.result, status.reason.as_deref()),
        (Some(RunResult::Inconclusive), Some("BackupDeleted")),
        "{:?}",
        status.findings
    );
    assert_eq!(leftovers(&client, &report).await?, Vec::<String>::new());
    scale_deployment(&client, VELERO, "velero", 1).await?;
    // What the storage has still comes back as a Backup.
    let is_back = await_condition(backups, &name, |b: Option<&kymaros::velero::Backup>| b.is_some());
    tokio::time::timeout(Duration::from_mins(3), is_back)
        .await
        .context("Velero does not bring the backup back")??;
    delete_backup(&client, &name).await
}

/// The host's id of the S3 server of Velero's own location; another one answers over TLS.
fn storage() -> Result<String> {
    let port = format!("--port={NODE_ADDRESS}:{S3_PORT}");
    let is_storage = |words: &[&str]| {
        let runs = words
            .first()
            .is_some_and(|program| program.ends_with("/versitygw"));
        runs && words.contains(&port.as_str())
    };
    Ok(find("the S3 server", is_storage)?.swap_remove(0))
}

/// A run that has less than a minute, and its end.
async fn cut_short(client: &Client, namespace: &str, backup: &str) -> Result<RestoreReport> {
    let short = json!({ "timeout": "40s", "healthChecks": { "timeout": "30s" } });
    create_test(client, namespace, "short", spec(&[namespace], backup, short)).await?;
    finished(client, namespace, "short").await
}

/// Something that a run needs goes before the run and comes back after it: nobody is accused, and nothing of the run stays.
async fn ends_undecided(
    name: &str,
    goes: impl AsyncFnOnce(&Client) -> Result<()>,
    comes_back: impl AsyncFnOnce(&Client) -> Result<()>,
) -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, backup) = small(&mut scene, name).await?;
    goes(&client).await?;
    let ended = cut_short(&client, &namespace, &backup).await;
    comes_back(&client).await?;
    let report = ended?;
    assert_undecided(&report)?;
    until_nothing_is_left(&client, &report).await?;
    delete_backup(&client, &backup).await
}

#[tokio::test]
async fn a_velero_that_is_stopped_is_no_failed_backup() -> Result<()> {
    let goes = async |client: &Client| scale_deployment(client, VELERO, "velero", 0).await.map(|_| ());
    let comes_back = async |client: &Client| scale_deployment(client, VELERO, "velero", 1).await.map(|_| ());
    ends_undecided("stopped", goes, comes_back).await
}

/// A test may come with its backup, and run before Velero has looked at that.
#[tokio::test]
async fn a_backup_that_velero_has_not_finished_is_no_failed_one() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("unfinished").await?;
    scale_deployment(&client, VELERO, "velero", 0).await?;
    let backups = Api::<kymaros::velero::Backup>::namespaced(client.clone(), VELERO);
    let name = unique("unfinished");
    let backup = serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": name, "namespace": VELERO },
        "spec": { "includedNamespaces": [namespace] },
    }))?;
    backups.create(&PostParams::default(), &backup).await?;
    create_test(
        &client,
        &namespace,
        "unfinished",
        spec(&[&namespace], &name, json!({})),
    )
    .await?;
    let report = finished(&client, &namespace, "unfinished").await;
    backups.delete(&name, &DeleteParams::default()).await?;
    scale_deployment(&client, VELERO, "velero", 1).await?;
    let status = report?.status.context("no status")?;
    assert_eq!(
        (status.result, status.cause, status.reason.as_deref()),
        (
            Some(RunResult::Inconclusive),
            Some(Cause::Sandbox),
            Some("BackupNotFinished")
        ),
        "{:?}",
        status.findings
    );
    Ok(())
}

#[tokio::test]
async fn a_storage_that_does_not_answer_is_no_failed_backup() -> Result<()> {
    let stopped = storage()?;
    let goes = async |_: &Client| signal("-STOP", &stopped);
    let comes_back = async |_: &Client| signal("-CONT", &stopped);
    ends_undecided("no-storage", goes, comes_back).await
}

#[tokio::test]
async fn a_storage_that_stops_in_the_middle_of_a_restore_is_no_failed_backup() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = shop(&mut scene, "drained").await?;
    let (velero, storage) = (server()?, storage()?);
    let short = json!({ "timeout": "60s", "healthChecks": { "timeout": "30s" } });
    create_test(&client, &namespace, "drained", spec(&[&namespace], &name, short)).await?;
    let stopped = stop_in_the_middle(&client, &velero).await;
    let drained = stopped.and_then(|_| signal("-STOP", &storage));
    signal("-CONT", &velero)?;
    let ended = match drained {
        Ok(()) => {
            let judged = |r: &RestoreReport| r.status.as_ref().is_some_and(|s| s.result.is_some());
            report_when(&client, &namespace, "drained", "its verdict", judged).await
        }
        Err(error) => Err(error),
    };
    signal("-CONT", &storage)?;
    assert_undecided(&ended?)?;
    let report = finished(&client, &namespace, "drained").await?;
    until_nothing_is_left(&client, &report).await?;
    delete_backup(&client, &name).await
}
