//! What can happen to the cluster under a run. A file of its own, run before a release, because everything else in the
//! cluster suffers too: `cargo test --test outages -- --ignored --test-threads=1`.

mod story;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{Cause, RestoreReportStatus, RunPhase, RunResult};
use kymaros_testbed::signals::{find, signal};
use kymaros_testbed::{
    places,
    scene::{Backup, Scene, VELERO, apply, backup, delete_backup, scale, unique, wait_ready},
};
use serde_json::json;
use story::{create_test, finished, leftovers, phase, report_when, small, spec};

/// What only the API server of the cluster is told, and none of a test's own.
const API_SERVER: &str = "--secure-port=6443";

/// The host's id of a process of the test cluster.
fn process(program: &str, argument: &str) -> Result<String> {
    let found = find(program, |words| {
        let [first, rest @ ..] = words else { return false };
        let runs = first.starts_with(places::CACHE) && first.ends_with(program);
        runs && rest.iter().any(|word| word.starts_with(argument))
    });
    Ok(found?.swap_remove(0))
}

async fn ended(client: &Client, namespace: &str, test: &str) -> Result<RestoreReportStatus> {
    let report = finished(client, namespace, test).await?;
    let left = leftovers(client, &report).await?;
    // A panic would leave the cluster as it is.
    ensure!(left.is_empty(), "left: {left:?}");
    report.status.context("no status")
}

/// A run that is in this phase when something stands still for 20 seconds, and goes on afterwards.
async fn stands_still(stem: &str, at: RunPhase, program: &str, argument: &str) -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, stem).await?;
    let checked = json!({ "healthChecks": { "settle": "5s", "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200, "timeout": "40s" } }] } });
    create_test(
        &scene.client,
        &namespace,
        stem,
        spec(&[&namespace], &name, checked),
    )
    .await?;
    report_when(&scene.client, &namespace, stem, "the phase", |r| {
        phase(r) >= Some(at)
    })
    .await?;
    let stopped = process(program, argument)?;
    signal("-STOP", &stopped)?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    signal("-CONT", &stopped)?;
    let status = ended(&scene.client, &namespace, stem).await?;
    println!(
        "{program} stood still in {at:?}: {:?} {:?}, {:?}",
        status.score, status.result, status.findings
    );
    assert!(
        matches!(status.result, Some(RunResult::Pass | RunResult::Inconclusive)),
        "nothing is wrong with the backup: {:?}",
        status.findings
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
#[ignore = "the whole cluster stands still"]
async fn etcd_stands_still_while_velero_restores() -> Result<()> {
    stands_still("etcd-r", RunPhase::Restoring, "etcd", "--name").await
}

#[tokio::test]
#[ignore = "the whole cluster stands still"]
async fn etcd_stands_still_while_checks_are_made() -> Result<()> {
    stands_still("etcd-c", RunPhase::Checking, "etcd", "--name").await
}

#[tokio::test]
#[ignore = "the whole cluster stands still"]
async fn the_api_server_stands_still_while_sandboxes_are_made() -> Result<()> {
    stands_still("api-p", RunPhase::Preparing, "kube-apiserver", API_SERVER).await
}

#[tokio::test]
#[ignore = "the whole cluster stands still"]
async fn the_api_server_dies_while_checks_are_made() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "api-k").await?;
    let long = json!({ "healthChecks": { "settle": "20s", "checks": [{ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200, "timeout": "40s" } }] } });
    create_test(
        &scene.client,
        &namespace,
        "api-k",
        spec(&[&namespace], &name, long),
    )
    .await?;
    report_when(&scene.client, &namespace, "api-k", "checks", |r| {
        phase(r) >= Some(RunPhase::Checking)
    })
    .await?;
    // The cluster starts it again.
    signal("-KILL", &process("kube-apiserver", API_SERVER)?)?;
    let status = ended(&scene.client, &namespace, "api-k").await?;
    assert!(
        matches!(status.result, Some(RunResult::Pass | RunResult::Inconclusive)),
        "nothing is wrong with the backup: {:?}",
        status.findings
    );
    delete_backup(&scene.client, &name).await
}

/// Patches the node agent's pods to another node, or back.
async fn node_agent(client: &Client, there: bool) -> Result<()> {
    let api = Api::<DaemonSet>::namespaced(client.clone(), VELERO);
    let node = if there { json!(null) } else { json!("none") };
    let patch =
        json!({ "spec": { "template": { "spec": { "nodeSelector": { "kymaros.test/away": node } } } } });
    api.patch("node-agent", &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    let as_asked = await_condition(api, "node-agent", move |set: Option<&DaemonSet>| {
        let current = set
            .is_some_and(|s| s.status.as_ref().and_then(|t| t.observed_generation) == s.metadata.generation);
        let status = set.and_then(|s| s.status.as_ref());
        let there_now =
            status.is_some_and(|s| s.number_ready > 0 && s.desired_number_scheduled == s.number_ready);
        let gone_now = status.is_some_and(|s| s.current_number_scheduled + s.number_misscheduled == 0);
        current && if there { there_now } else { gone_now }
    });
    tokio::time::timeout(Duration::from_mins(2), as_asked)
        .await
        .context("the node agent")??;
    Ok(())
}

#[tokio::test]
#[ignore = "no volume is restored meanwhile"]
async fn a_node_agent_that_is_gone_is_no_failed_backup() -> Result<()> {
    const VOLUME: &str = include_str!("verdicts/apps/data.yaml");
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("agent").await?;
    apply(&scene.client, &namespace, VOLUME).await?;
    wait_ready(&scene.client, &namespace, "app=data", 1).await?;
    let name = unique("agent");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    node_agent(&scene.client, false).await?;
    let short = json!({ "timeout": "40s", "healthChecks": { "timeout": "30s" } });
    let run = async {
        let short = spec(&[&namespace], &name, short);
        create_test(&scene.client, &namespace, "agent", short).await?;
        ended(&scene.client, &namespace, "agent").await
    };
    let status = run.await;
    node_agent(&scene.client, true).await?;
    let status = status?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Inconclusive), Some(Cause::Sandbox)),
        "{:?}",
        status.findings
    );
    assert!(
        status.findings.iter().any(|f| f.message.contains("node agent")),
        "{:?}",
        status.findings
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
#[ignore = "there is no operator meanwhile"]
async fn a_ttl_that_passes_while_the_operator_is_away_ends_the_run_when_it_is_back() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "away").await?;
    let short = json!({ "sandbox": { "ttl": "60s" }, "timeout": "60s", "healthChecks": { "settle": "3m", "timeout": "4m" } });
    create_test(
        &scene.client,
        &namespace,
        "away",
        spec(&[&namespace], &name, short),
    )
    .await?;
    let report = report_when(&scene.client, &namespace, "away", "checks", |r| {
        phase(r) >= Some(RunPhase::Checking)
    })
    .await?;
    let started = report.status.and_then(|s| s.started_at).context("no start")?.0;
    let replicas = scale(&scene.client, 0).await?;
    let left = (started + Duration::from_secs(61)).duration_since(jiff::Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
    scale(&scene.client, replicas).await?;
    let status = ended(&scene.client, &namespace, "away").await?;
    assert_eq!(
        (status.result, status.reason.as_deref()),
        (Some(RunResult::Fail), Some("SandboxExpired")),
        "{:?}",
        status.findings
    );
    // Nobody looked, so nobody is accused.
    assert_eq!(status.cause, Some(Cause::Unknown), "{:?}", status.findings);
    delete_backup(&scene.client, &name).await
}
