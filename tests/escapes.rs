//! Something gets into a sandbox that nobody made harmless. A file of its own, because it takes the webhooks away, and stops
//! the one Velero there is.

mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration, batch::v1::CronJob, core::v1::Service,
    events::v1::Event, networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use kymaros_crds::{RestoreReport, RunResult};
use kymaros_testbed::{
    scene::{Scene, VELERO, delete_backup, wait_ready},
    signals::signal,
};
use serde_json::json;
use story::{
    create_test, finished, report_when, shop, spec, until_nothing_is_left,
    velero::{server, stop_in_the_middle},
    webhooks::{put_back, take_away},
};
use tokio::sync::Mutex;

/// There is one Velero.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The name of what gets into the sandbox.
const LOOSE: &str = "loose";

/// A `CronJob` that is due every minute.
fn cron_job(name: &str) -> Result<CronJob> {
    let container = json!({ "name": "work", "image": "kymaros.test/busybox:1", "command": ["true"] });
    let pod = json!({ "restartPolicy": "Never", "containers": [container] });
    let job = json!({ "spec": { "template": { "spec": pod } } });
    let spec = json!({ "schedule": "* * * * *", "jobTemplate": job });
    Ok(serde_json::from_value(
        json!({ "metadata": { "name": name }, "spec": spec }),
    )?)
}

/// Waits until the API server has heard of what became of the webhooks: it has `CronJobs` of this sandbox suspended, or not.
async fn until_suspended(crons: &Api<CronJob>, suspended: bool) -> Result<()> {
    let asked = cron_job("asked")?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut in_a_row = 0;
    while in_a_row < 5 {
        ticks.tick().await;
        // A replica that is not ready again yet is no answer.
        let answer = crons.create(&dry, &asked).await.ok();
        let seen = answer.and_then(|cron| cron.spec?.suspend);
        in_a_row = if seen == Some(suspended) { in_a_row + 1 } else { 0 };
        ensure!(Instant::now() < deadline, "the API server heard of nothing");
    }
    Ok(())
}

/// The quota of a sandbox keeps node ports and load balancers out by itself, and knows no other addresses.
async fn write(client: &Client, sandbox: &str) -> Result<()> {
    let crons = Api::<CronJob>::namespaced(client.clone(), sandbox);
    until_suspended(&crons, false).await?;
    let params = PostParams::default();
    crons.create(&params, &cron_job(LOOSE)?).await?;
    let service: Service = serde_json::from_value(json!({
        "metadata": { "name": LOOSE }, "spec": { "externalIPs": ["192.0.2.1"], "ports": [{ "port": 80 }] },
    }))?;
    let services = Api::<Service>::namespaced(client.clone(), sandbox);
    services.create(&params, &service).await?;
    let policy: NetworkPolicy = serde_json::from_value(json!({
        "metadata": { "name": LOOSE }, "spec": { "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] },
    }))?;
    let policies = Api::<NetworkPolicy>::namespaced(client.clone(), sandbox);
    policies.create(&params, &policy).await?;
    Ok(())
}

/// Writes into a sandbox while nothing there is made harmless.
async fn get_in(client: &Client, sandbox: &str) -> Result<()> {
    let saved = take_away::<MutatingWebhookConfiguration>(client).await?;
    let written = write(client, sandbox).await;
    put_back(client, &saved).await?;
    written?;
    let crons = Api::<CronJob>::namespaced(client.clone(), sandbox);
    until_suspended(&crons, true).await
}

fn sandbox(report: &RestoreReport) -> Option<String> {
    let status = report.status.as_ref()?;
    status.sandboxes.first().map(|sandbox| sandbox.name.clone())
}

/// Waits until an Event names what got in: it comes after the status.
async fn until_told(client: &Client, namespace: &str) -> Result<()> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let names_it = |event: &Event| {
        let note = event.note.as_deref().unwrap_or_default();
        note.contains(&format!("CronJob/{LOOSE}")) && note.contains("(Escape")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        if events.list(&ListParams::default()).await?.iter().any(names_it) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no Event tells of it");
    }
}

/// Something gets into the sandbox of a run in the middle of its restore, after which Velero gets this signal.
async fn something_gets_in(test: &str, then: &str) -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = shop(&mut scene, test).await?;
    let velero = server()?;
    let kept = json!({ "sandbox": { "retention": "UntilTTL" } });
    create_test(&client, &namespace, test, spec(&[&namespace], &name, kept)).await?;
    let got_in = async {
        stop_in_the_middle(&client, &velero).await?;
        let has_sandbox = |report: &RestoreReport| sandbox(report).is_some();
        let report = report_when(&client, &namespace, test, "a sandbox", has_sandbox).await?;
        let sandbox = sandbox(&report).context("no sandbox")?;
        get_in(&client, &sandbox).await
    }
    .await;
    signal(then, &velero)?;
    got_in?;

    let report = finished(&client, &namespace, test).await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        (status.result, status.reason.as_deref(), status.attempt),
        (Some(RunResult::Fail), Some("Escape"), None),
        "{:?}",
        status.findings
    );
    let finding = status.findings.iter().find(|f| f.reason == "Escape");
    let said = &finding.context("no finding")?.message;
    for what in [
        "CronJob/loose",
        "spec.suspend",
        "Service/loose",
        "spec.externalIPs",
        "NetworkPolicy/loose",
        "spec.egress",
    ] {
        assert!(said.contains(what), "{said}");
    }
    until_told(&client, &namespace).await?;
    until_nothing_is_left(&client, &report).await?;
    wait_ready(&client, VELERO, "deploy=velero", 1).await?;
    delete_backup(&client, &name).await
}

#[tokio::test]
async fn what_gets_into_a_sandbox_unseen_is_found_when_its_restore_is_done() -> Result<()> {
    something_gets_in("unseen", "-CONT").await
}

#[tokio::test]
async fn what_gets_into_a_sandbox_unseen_is_found_though_its_restore_fails() -> Result<()> {
    something_gets_in("unseen-failed", "-KILL").await
}
