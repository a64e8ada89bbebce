//! The shop, a web front end on a real database: whole, and damaged in the ways that backups are.

mod story;

use anyhow::{Context, Result};
use kymaros_crds::{Cause, Finding, RestoreReport, RestoreReportStatus, RunResult, Severity};
use kymaros_testbed::scene::{Backup, Scene, backup, delete_backup, deploy_shop, unique};
use serde_json::{Value, json};
use story::{leftovers, run, spec, start_up};

/// Every kind of check; the one that counts orders proves that the data came back.
fn checks() -> Value {
    let psql = [
        "psql",
        "-h",
        "/tmp",
        "-U",
        "shop",
        "-d",
        "shop",
        "-Atc",
        "select count(*) from orders",
    ];
    json!({ "healthChecks": { "checks": [
        { "name": "front end is up", "type": "podStatus",
          "podStatus": { "labelSelector": { "component": "web" }, "minReady": 1 } },
        { "name": "orders are served", "type": "httpGet",
          "httpGet": { "service": "web", "port": 80, "path": "/cgi-bin/orders", "expectedStatus": 200 } },
        { "name": "database listens", "type": "tcpSocket", "tcpSocket": { "service": "db", "port": 5432 } },
        { "name": "orders are there", "type": "exec", "required": true,
          "exec": { "podSelector": { "component": "db" }, "command": psql, "stdoutMatches": "^25\\s*$" } },
        { "name": "credentials are there", "type": "resourceExists",
          "resourceExists": { "resources": [{ "kind": "Secret", "name": "db-credentials" }, { "kind": "Service", "name": "web" }] } },
    ] } })
}

/// Deploys the shop, backs it up as told, and tests the backup.
async fn tested(scene: &mut Scene, stem: &str, what: impl Fn(&str) -> Backup) -> Result<RestoreReport> {
    let namespace = scene.namespace(stem).await?;
    deploy_shop(&scene.client, &namespace).await?;
    let name = unique(stem);
    backup(&scene.client, &name, &what(&namespace)).await?;
    let report = run(scene, &namespace, stem, spec(&[&namespace], &name, checks())).await?;
    assert_eq!(
        leftovers(&scene.client, &report).await?,
        Vec::<String>::new(),
        "something of the run is left"
    );
    delete_backup(&scene.client, &name).await?;
    println!("{}", kymaros::report::text(&report)?);
    Ok(report)
}

fn status(report: &RestoreReport) -> Result<&RestoreReportStatus> {
    report.status.as_ref().context("no status")
}

/// Every phase is there and follows the one before it, and every step that a cluster shows has its time.
fn assert_timeline(status: &RestoreReportStatus) -> Result<()> {
    let entry = |name: &str| {
        let found = status.timeline.iter().find(|e| e.name == name);
        found.with_context(|| format!("no {name}: {:?}", status.timeline))
    };
    let phases = [
        "queue",
        "preparation",
        "restore",
        "start-up",
        "checks",
        "verdict",
        "cleanup",
    ];
    for pair in phases.windows(2) {
        let (before, after) = (entry(pair[0])?, entry(pair[1])?);
        assert!(before.finished_at.is_some(), "{before:?} has no end");
        assert_eq!(before.finished_at, after.started_at, "{before:?} {after:?}");
    }
    let steps = [
        "velero",
        "metadata",
        "volume data",
        "scheduling",
        "image",
        "start",
        "first ready",
        "workloads ready",
        "first passing check",
    ];
    for name in phases.iter().chain(&steps) {
        let entry = entry(name)?;
        assert!(entry.seconds.is_some_and(|s| s >= 0.0), "{entry:?}");
    }
    Ok(())
}

fn finding<'a>(status: &'a RestoreReportStatus, object: &str) -> Option<&'a Finding> {
    status
        .findings
        .iter()
        .find(|f| f.object.as_deref() == Some(object))
}

#[tokio::test]
async fn a_whole_backup_gets_full_marks_and_leaves_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let report = tested(&mut scene, "whole", |ns| Backup::of(&[ns])).await?;
    let status = status(&report)?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    assert_eq!(status.leftovers, Some(0));
    assert_timeline(status)?;
    assert!(
        status.findings.iter().all(|f| f.severity == Severity::Info),
        "a whole backup is accused of nothing: {:?}",
        status.findings
    );
    Ok(())
}

#[tokio::test]
async fn a_secret_left_out_is_found_and_named() -> Result<()> {
    let mut scene = Scene::new().await?;
    let report = tested(&mut scene, "no-secret", |ns| {
        Backup::of(&[ns]).without(&["secrets"])
    })
    .await?;
    let status = status(&report)?;
    assert_ne!(status.result, Some(RunResult::Pass));
    assert_eq!(status.cause, Some(Cause::Backup));
    let finding = finding(status, "Secret/db-credentials").context("no finding names the Secret")?;
    assert!(
        finding.message.contains("the backup does not hold it"),
        "{}",
        finding.message
    );
    let waited = start_up(status)?;
    assert!(
        waited < 100.0,
        "the run waited {waited} s for what could not come"
    );
    Ok(())
}

#[tokio::test]
async fn a_volume_without_data_is_found_and_named() -> Result<()> {
    let mut scene = Scene::new().await?;
    let report = tested(&mut scene, "no-volume", |ns| {
        Backup::of(&[ns]).without_volume_data()
    })
    .await?;
    let status = status(&report)?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Fail), Some(Cause::Backup))
    );
    assert!(
        finding(status, "PersistentVolumeClaim/data-db-0").is_some(),
        "{:?}",
        status.findings
    );
    let rows = status
        .checks
        .iter()
        .find(|c| c.name == "orders are there")
        .context("the check is missing")?;
    assert_eq!(
        rows.status,
        kymaros_crds::CheckResult::Fail,
        "an empty database was taken for a full one"
    );
    Ok(())
}
