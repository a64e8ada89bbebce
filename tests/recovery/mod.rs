//! The recovery time against a stopwatch outside of Kymaros. A leader is killed while checks are tried: it is exact where
//! somebody saw its end, and else it is said between which two times it lies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::DeleteParams};
use kymaros_crds::{CheckStatus, RestoreReport, RunPhase, RunResult, domain::duration};
use kymaros_testbed::{
    cluster::Cluster,
    scene::{NAMESPACE, Scene, delete_backup, leader, unique, until_all_ready},
    signals::{operator, signal},
};
use serde_json::json;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    ONE_AT_A_TIME, holder,
    story::{
        assert_recovery_time, create_test, finished, gone, leftovers, phase, report_when, restore_begins,
        run, small, spec, stopwatch,
    },
};

/// Passes once it is let, and leaves a trace of each try.
const CHECK: &str = "if [ -e /tmp/let ]; then touch /tmp/passed; else echo tried >> /tmp/tries; exit 1; fi";
/// Waits until it was tried.
const TRIED: &str = "until [ -s /tmp/tries ]; do sleep 0.1; done";
/// Lets it pass with the next try.
const LET: &str = "touch /tmp/let";
/// Waits until it was tried twice more, lets it pass, and waits until it has. One try may have been under way when the
/// operator died that made it.
const TRIED_AGAIN_AND_LET: &str = "n=$(wc -l < /tmp/tries); \
     until [ $(wc -l < /tmp/tries) -ge $((n + 2)) ]; do sleep 0.1; done; \
     touch /tmp/let; until [ -e /tmp/passed ]; do sleep 0.1; done";
/// What the level says of a recovery of which the end is not known exactly, behind the two times.
const UNSEEN: &str = " (no operator looked when the last check first passed); no SLA is set";

/// A run whose only check waits to be let, with a stopwatch outside of Kymaros.
struct Run {
    cluster: Cluster,
    test: &'static str,
    sandbox: String,
    began: JoinHandle<Result<Instant>>,
}

impl Run {
    async fn begin(scene: &Scene, (namespace, backup): (&str, &str), test: &'static str) -> Result<Self> {
        let sandbox = unique(test);
        let began = tokio::spawn(restore_begins(scene.client.clone(), sandbox.clone()));
        let check = json!({ "name": "let", "type": "exec", "exec": { "podSelector": { "app": "small" },
            "command": ["sh", "-c", CHECK], "timeout": "100s" } });
        let mut waits = spec(
            &[namespace],
            backup,
            json!({ "healthChecks": { "checks": [check] } }),
        );
        waits["backupSource"]["namespaces"][0]["sandboxName"] = json!(sandbox);
        create_test(&scene.client, namespace, test, waits).await?;
        Ok(Self {
            cluster: scene.cluster.clone(),
            test,
            sandbox,
            began,
        })
    }

    /// Runs a script in its sandbox. It has a minute; the stopwatch goes on meanwhile.
    async fn inside(&self, script: &'static str) -> Result<()> {
        let (cluster, sandbox) = (self.cluster.clone(), self.sandbox.clone());
        let ran = spawn_blocking(move || {
            let pod = ["exec", "-n", &sandbox, "deployment/web", "--"];
            let script = ["timeout", "60", "sh", "-c", script];
            cluster.kubectl(&[pod, script].concat())
        });
        ran.await??;
        Ok(())
    }

    /// From the beginning of its Restore to this moment.
    async fn shown(self, ended: Instant) -> Result<Duration> {
        Ok(ended.duration_since(self.began.await??))
    }
}

/// The report of a run that passed at its first try, and its only check.
async fn passed(client: &Client, namespace: &str, test: &str) -> Result<(RestoreReport, CheckStatus)> {
    let report = finished(client, namespace, test).await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        (status.score, status.result, status.attempt),
        (Some(100), Some(RunResult::Pass), None),
        "{:?}",
        status.findings
    );
    assert_eq!(leftovers(client, &report).await?, Vec::<String>::new());
    let check = status.checks.into_iter().next().context("no check")?;
    Ok((report, check))
}

/// The two times between which a report says that the recovery ended; the later one is the one it counts.
fn between(report: &RestoreReport) -> Result<(Duration, Duration)> {
    let status = report.status.as_ref().context("no status")?;
    let level = status.validation_levels.as_ref().map(|l| &l.rto_compliance);
    let detail = level.and_then(|l| l.detail.as_deref()).context("no detail")?;
    let times = detail.strip_suffix(UNSEEN).and_then(|t| t.split_once(" to "));
    let (least, most) = times.with_context(|| format!("it claims to be exact: {detail}"))?;
    assert_eq!(status.rto.as_ref().map(|r| r.measured.as_str()), Some(most));
    Ok((duration::parse(least)?, duration::parse(most)?))
}

#[tokio::test]
async fn the_recovery_time_is_what_a_stopwatch_outside_shows() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "stopwatch").await?;
    let sandbox = unique("stopwatch-sandbox");
    let shown = tokio::spawn(stopwatch(scene.client.clone(), sandbox.clone()));
    let check = json!({ "name": "web answers", "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } });
    let mut timed = spec(
        &[&namespace],
        &name,
        json!({ "healthChecks": { "checks": [check] } }),
    );
    timed["backupSource"]["namespaces"][0]["sandboxName"] = json!(sandbox);
    let report = run(&scene, &namespace, "stopwatch", timed).await?;
    assert_recovery_time(&report, shown.await??)?;
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_recovery_of_which_no_operator_saw_the_end_lies_between_two_times() -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "ends").await?;
    until_all_ready(&client).await?;
    let unseen = Run::begin(&scene, (&namespace, &name), "unseen").await?;
    let seen = Run::begin(&scene, (&namespace, &name), "seen").await?;
    for run in [&unseen, &seen] {
        let checks = |r: &RestoreReport| phase(r) == Some(RunPhase::Checking);
        report_when(&client, &namespace, run.test, "checks", checks).await?;
        run.inside(TRIED).await?;
    }
    let (leads, dead) = (leader(&client, None).await?, holder(&client).await?);
    signal("-KILL", &operator(&leads)?)?;
    unseen.inside(LET).await?;
    let unseen = unseen.shown(Instant::now()).await?;
    ensure!(holder(&client).await? == dead, "the next one was there too soon");
    seen.inside(TRIED_AGAIN_AND_LET).await?;
    let seen = seen.shown(Instant::now()).await?;

    let (report, check) = passed(&client, &namespace, "unseen").await?;
    assert!(check.may_have_passed_before, "{check:?}");
    let (least, most) = between(&report)?;
    // Several seconds lie between the three: Velero's clock, which has whole ones, does not matter.
    assert!(
        least < unseen && unseen < most,
        "the report says {least:?} to {most:?}, the stopwatch {unseen:?}"
    );
    let (report, check) = passed(&client, &namespace, "seen").await?;
    assert!(!check.may_have_passed_before, "{check:?}");
    assert_recovery_time(&report, seen)?;

    // What is killed again and again is started ever later: the next one meets a new pod.
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    pods.delete(&leads, &DeleteParams::default()).await?;
    gone(pods, &leads).await?;
    until_all_ready(&client).await?;
    delete_backup(&client, &name).await
}
