//! Where backups are kept: what a storage location needs to be read, and what becomes of it there.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use kymaros_crds::{Cause, Finding, RestoreReportStatus, RunResult};
use kymaros_testbed::{
    places,
    scene::{
        AUTHORITY_SECRET, Backup, Scene, apply, authority_in, backup, delete_backup, forget_authority,
        forget_location, location, move_location, unique, wait_ready,
    },
};
use serde_json::{Value, json};
use story::{SMALL, assert_undecided, run, small, spec, until_nothing_is_left};

/// A run of a backup in a location that is trusted like this reads both lists: nothing is only counted.
async fn reads_everything(stem: &str, trust: &Value) -> Result<()> {
    let status = run_from(stem, trust).await?;
    assert_eq!(
        (status.result, status.score),
        (Some(RunResult::Pass), Some(100)),
        "{:?}",
        status.findings
    );
    Ok(())
}

/// A run of a backup in a location that is trusted like this.
async fn run_from(stem: &str, trust: &Value) -> Result<RestoreReportStatus> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace(stem).await?;
    let (name, place) = (unique(stem), unique(stem));
    location(&scene.client, &place, trust).await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let there = Backup::of(&[&namespace]).with(&json!({ "storageLocation": place }));
    assert_eq!(backup(&scene.client, &name, &there).await?, "Completed");
    let checked = json!({ "healthChecks": { "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } }] } });
    let report = run(&scene, &namespace, stem, spec(&[&namespace], &name, checked)).await?;
    let status = report.status.context("no status")?;
    let source = status.source.as_ref();
    assert_eq!(source.and_then(|s| s.location.clone()), Some(place.clone()));
    delete_backup(&scene.client, &name).await?;
    forget_location(&scene.client, &place).await?;
    Ok(status)
}

#[tokio::test]
async fn an_authority_of_its_own_is_trusted() -> Result<()> {
    let authority = ByteString(std::fs::read(places::state("pki/ca.crt"))?);
    reads_everything("private", &json!({ "objectStorage": { "caCert": authority } })).await
}

#[tokio::test]
async fn an_authority_in_a_secret_that_the_chart_names_is_trusted() -> Result<()> {
    let scene = Scene::new().await?;
    let trust = authority_in(&scene.client, AUTHORITY_SECRET).await?;
    reads_everything("secret", &trust).await?;
    forget_authority(&scene.client, AUTHORITY_SECRET).await
}

#[tokio::test]
async fn of_an_authority_that_may_not_be_read_it_is_said_how_to_allow_it() -> Result<()> {
    let scene = Scene::new().await?;
    let secret = unique("closed");
    let trust = authority_in(&scene.client, &secret).await?;
    let status = run_from("closed", &trust).await?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Partial), Some(Cause::Sandbox)),
        "{:?}",
        status.findings
    );
    let says_how = |f: &Finding| f.message.contains(&secret) && f.message.contains("velero.caSecrets");
    assert!(status.findings.iter().any(says_how), "{:?}", status.findings);
    forget_authority(&scene.client, &secret).await
}

#[tokio::test]
async fn a_location_that_velero_was_told_not_to_verify_is_not_verified() -> Result<()> {
    let unverified = json!({ "config": { "insecureSkipTLSVerify": "true" } });
    reads_everything("unverified", &unverified).await
}

#[tokio::test]
async fn a_location_that_cannot_be_reached_is_no_failed_backup() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("unreached").await?;
    let (name, place) = (unique("unreached"), unique("unreached"));
    let unverified = json!({ "config": { "insecureSkipTLSVerify": "true" } });
    location(&client, &place, &unverified).await?;
    apply(&client, &namespace, SMALL).await?;
    wait_ready(&client, &namespace, "app=small", 1).await?;
    let there = Backup::of(&[&namespace]).with(&json!({ "storageLocation": place }));
    assert_eq!(backup(&client, &name, &there).await?, "Completed");
    // Nothing listens there.
    move_location(&client, &place, 9).await?;
    let short = json!({ "timeout": "90s", "healthChecks": { "timeout": "30s" } });
    let ended = run(&scene, &namespace, "unreached", spec(&[&namespace], &name, short)).await;
    move_location(&client, &place, places::S3_TLS_PORT).await?;
    let report = ended?;
    assert_undecided(&report)?;
    // Velero deletes what it keeps there once it is reached again.
    until_nothing_is_left(&client, &report).await?;
    delete_backup(&client, &name).await?;
    forget_location(&client, &place).await
}

#[tokio::test]
async fn an_archive_that_is_cut_off_fails_with_the_backup_to_blame() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "cut").await?;
    // The S3 server keeps objects as files.
    let archive = places::state(&format!("s3/velero/backups/{name}/{name}.tar.gz"));
    let whole = std::fs::read(&archive).with_context(|| format!("reading {}", archive.display()))?;
    std::fs::write(&archive, &whole[..whole.len() / 2])?;
    let report = run(&scene, &namespace, "cut", spec(&[&namespace], &name, json!({}))).await?;
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Fail), Some(Cause::Backup)),
        "{:?}",
        status.findings
    );
    assert!(status.score.context("no score")? < 70);
    delete_backup(&scene.client, &name).await
}
