//! Replicas of the operator come and go, at the worst moments. A file of its own, because others would miss the webhooks
//! meanwhile.

mod recovery;
mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ContainerStatus, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, LogParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{RestoreReport, RunPhase, RunResult};
use kymaros_testbed::scene::{
    Backup, LEASE, NAMESPACE, Scene, apply, backup, delete_backup, leader, scale, unique, until_all_ready,
    wait_ready,
};
use kymaros_testbed::signals::{operator, signal};
use serde_json::json;
use story::{
    SMALL, answers, assert_recovery_time, create_test, finished, gone, leftovers, phase, report_when, small,
    spec, stopwatch,
};
use tokio::sync::Mutex;

/// After the death of a leader another replica leads within this, as a rule.
const TAKEN_OVER: Duration = Duration::from_secs(10);
/// And always within this: a machine that has much to do may lose a request, and the next one follows.
const AT_MOST: Duration = Duration::from_secs(15);
/// And has written into the report of its run within this: a restore that met no webhook has to be made again first.
const GOES_ON: Duration = Duration::from_mins(1);
/// Whoever is killed a second time is started again only after a while, and others must be there to take over.
const REPLICAS: i32 = 3;
/// How often a run is killed until its restore is not disturbed by that.
const TRIES: usize = 8;
/// Longest wait for a container that was killed.
const BACK: Duration = Duration::from_mins(2);
/// Each of these stories needs all replicas for itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The process of a leader that stands still, as on a machine that hangs: it neither renews its Lease nor gives it back.
/// Nobody wakes it again: it is killed when this is dropped.
struct Stopped(String);

impl Stopped {
    fn leader(pod: &str) -> Result<Self> {
        let process = operator(pod)?;
        signal("-STOP", &process)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Its kubelet may have killed it already.
        let _ = signal("-KILL", &self.0);
    }
}

/// A leader that was killed.
struct Killed {
    pod: String,
    /// How often its container had been started before.
    restarts: i32,
    /// Until another one led.
    taken_over: Duration,
}

/// The leader stands still, another replica goes on, and what stood still is killed.
async fn dies(client: &Client, namespace: &str, test: &str) -> Result<Killed> {
    let leads = leader(client, None).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let restarts = container(&pods.get(&leads).await?).map_or(0, |c| c.restart_count);
    let stopped = Stopped::leader(&leads)?;
    let begun = Instant::now();
    let next = leader(client, Some(&leads)).await?;
    let taken_over = begun.elapsed();
    ensure!(
        taken_over < AT_MOST,
        "nobody took the run over for {taken_over:?}"
    );
    // Who is stopped writes nothing: what is written from here on, the next one has written. But the API server may still
    // ask a webhook of the stopped one, which keeps it waiting until the process is gone.
    let before = report_when(client, namespace, test, "its report", |_| true).await?;
    drop(stopped);
    report_when(client, namespace, test, "what the next leader writes", |r| {
        r.resource_version() != before.resource_version() || phase(r) == Some(RunPhase::Completed)
    })
    .await?;
    let went_on = begun.elapsed();
    ensure!(went_on < GOES_ON, "{next} did nothing for {went_on:?}");
    println!("{next} leads after {taken_over:?}, and has gone on after {went_on:?}");
    Ok(Killed {
        pod: leads,
        restarts,
        taken_over,
    })
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// Waits until the container of a pod was started again and is ready.
async fn comes_back(pods: &Api<Pod>, pod: &str, restarts: i32) -> Result<()> {
    let back = await_condition(pods.clone(), pod, |p: Option<&Pod>| {
        let container = p.and_then(container);
        container.is_some_and(|c| c.ready && c.restart_count > restarts)
    });
    tokio::time::timeout(BACK, back)
        .await
        .with_context(|| format!("the container of {pod} does not come back"))??;
    Ok(())
}

/// Pods whose process has led at any time since it began.
async fn have_led(pods: &Api<Pod>) -> Result<Vec<String>> {
    let replicas = ListParams::default().labels("app.kubernetes.io/component=operator");
    let mut led = Vec::new();
    for pod in pods.list(&replicas).await?.iter().map(ResourceExt::name_any) {
        let log = pods.logs(&pod, &LogParams::default()).await?;
        let says_so = |line: &str| line.contains("leads") && line.contains("identity");
        if log.lines().any(says_so) {
            led.push(pod);
        }
    }
    Ok(led)
}

/// Who holds the Lease, down to the process.
async fn holder(client: &Client) -> Result<Option<String>> {
    let lease = Api::<Lease>::namespaced(client.clone(), NAMESPACE)
        .get(LEASE)
        .await?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity))
}

#[tokio::test]
async fn a_run_goes_on_though_its_leader_is_killed_in_every_phase() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let replicas = scale(&client, REPLICAS).await?;
    let seen = killed_in_every_phase(&mut scene).await;
    // Whatever comes of it, others find as many as before, and new ones.
    let fresh = async {
        scale(&client, 0).await?;
        scale(&client, replicas).await?;
        answers(&client, "default").await
    };
    let fresh = fresh.await;
    seen?;
    fresh
}

async fn killed_in_every_phase(scene: &mut Scene) -> Result<()> {
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
    let mut killed = Vec::new();
    for moment in [
        RunPhase::Preparing,
        RunPhase::Restoring,
        RunPhase::Starting,
        RunPhase::Checking,
        RunPhase::CleaningUp,
    ] {
        report_when(&client, &namespace, "killed", "its next phase", |r| {
            // A restore that was disturbed is cleaned up without a verdict, and made again.
            let is_judged = r.status.as_ref().is_some_and(|s| s.result.is_some());
            phase(r) >= Some(moment) && (is_judged || phase(r) < Some(RunPhase::CleaningUp))
        })
        .await?;
        let dead = dies(&client, &namespace, "killed").await;
        killed.push(dead.with_context(|| format!("killed in {moment:?}"))?);
    }
    let mut taken_over: Vec<Duration> = killed.iter().map(|dead| dead.taken_over).collect();
    taken_over.sort_unstable();
    ensure!(taken_over[taken_over.len() / 2] < TAKEN_OVER, "{taken_over:?}");
    let report = finished(&client, &namespace, "killed").await?;
    let status = report.status.clone().context("no status")?;
    ensure!(
        (status.score, status.result) == (Some(100), Some(RunResult::Pass)),
        "{:?}: {:?}",
        status.score,
        status.findings
    );
    let left = leftovers(&client, &report).await?;
    ensure!(left.is_empty(), "left: {left:?}");
    let reports = Api::<RestoreReport>::namespaced(client.clone(), &namespace);
    let reports = reports.list(&ListParams::default()).await?.items;
    ensure!(reports.len() == 1, "a run was started twice");
    // Who comes back has the name of the one that led, and leads nothing.
    let leads = holder(&client).await?;
    for dead in &killed {
        comes_back(&pods, &dead.pod, dead.restarts).await?;
    }
    let still = holder(&client).await?;
    ensure!(leads == still, "{still:?} took the lease from {leads:?}");
    let led = have_led(&pods).await?;
    ensure!(
        led == [leader(&client, None).await?],
        "more than one acts, or none: {led:?}"
    );
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
        let mut is_measured = false;
        for again in 0..TRIES {
            until_all_ready(&client).await?;
            let test = format!("timed-{moment:?}-{again}").to_lowercase();
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
            signal("-KILL", &operator(&leads)?)?;
            let report = finished(&client, &namespace, &test).await?;
            let shown = shown.await??;
            // What is killed again and again is started ever later: the next one meets a new pod.
            pods.delete(&leads, &DeleteParams::default()).await?;
            gone(pods.clone(), &leads).await?;
            // A restore that asked the webhooks of the dead one is made again, and the stopwatch shows the first.
            let attempt = report.status.as_ref().and_then(|s| s.attempt);
            if attempt.unwrap_or(1) > 1 {
                println!("killed in {moment:?}: the restore was made again");
                continue;
            }
            assert_recovery_time(&report, shown).with_context(|| format!("killed in {moment:?}"))?;
            is_measured = true;
            break;
        }
        assert!(
            is_measured,
            "each of {TRIES} restores was disturbed in {moment:?}"
        );
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
