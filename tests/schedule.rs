//! Tests that their schedule starts.

mod story;

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, RunResult, Trigger};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique};
use serde_json::json;
use story::{SMALL, create_test, finished, gone, phase, report_when, small, spec};

/// Time enough for two tests to be made and resumed.
const AHEAD: Duration = Duration::from_secs(5);
/// From the planned minute to a report, which Kubernetes dates in whole seconds.
const PROMPT: Duration = Duration::from_secs(15);
/// From the planned minute to a verdict, though another run has gone first.
const SOON: Duration = Duration::from_mins(3);

/// The next minute, and when that is in the words of a schedule.
fn next_minute() -> Result<(Timestamp, String)> {
    let up = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    let due = (Timestamp::now() + AHEAD).round(up)?;
    Ok((due, due.strftime("%M %H %d %m *").to_string()))
}

/// A test that runs at its time and not because it is new: it has run before.
async fn planned(client: &Client, namespace: &str, name: &str, mut test: serde_json::Value) -> Result<()> {
    test["suspend"] = json!(true);
    create_test(client, namespace, name, test).await?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let params = PatchParams::default();
    let ran = Patch::Merge(json!({ "status": { "lastRunAt": Timestamp::now().round(Unit::Second)? } }));
    tests.patch_status(name, &params, &ran).await?;
    let resumed = Patch::Merge(json!({ "spec": { "suspend": false } }));
    tests.patch(name, &params, &resumed).await?;
    Ok(())
}

#[tokio::test]
async fn of_two_that_are_due_at_once_one_that_never_starts_does_not_hold_up_the_other() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (namespace, name) = small(&mut scene, "due").await?;
    let stuck_home = scene.namespace("due-stuck").await?;
    let nowhere = SMALL
        .replace("kymaros.test/busybox:1", "registry.invalid/shop:1")
        .replace("IfNotPresent", "Always");
    apply(&client, &stuck_home, &nowhere).await?;
    let stuck_name = unique("due-stuck");
    backup(&client, &stuck_name, &Backup::of(&[&stuck_home])).await?;

    let (due, cron) = next_minute()?;
    let change = json!({ "schedule": { "cron": cron, "timezone": "UTC" } });
    let mut stuck = spec(&[&stuck_home], &stuck_name, change.clone());
    stuck["healthChecks"]["timeout"] = json!("8m");
    planned(&client, &namespace, "stuck", stuck).await?;
    planned(&client, &namespace, "fine", spec(&[&namespace], &name, change)).await?;
    let report = finished(&client, &namespace, "fine").await?;
    let is_waiting = |r: &RestoreReport| phase(r) == Some(RunPhase::Starting);
    let other = report_when(&client, &namespace, "stuck", "its wait", is_waiting).await?;
    for report in [&report, &other] {
        assert_eq!(report.spec.trigger, Some(Trigger::Schedule));
        let planned = report.spec.scheduled_for.as_ref().map(|t| t.0);
        assert_eq!(planned, Some(due), "it was planned for another time");
        let made = report.creation_timestamp().context("no time")?.0;
        let late = Duration::try_from(made.duration_since(due))?;
        assert!(late <= PROMPT, "it was made {late:?} after its time");
    }
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(80), Some(RunResult::Partial)),
        "nothing but its checks is missing: {:?}",
        status.findings
    );
    let judged = status.completed_at.context("no end")?.0;
    let took = Duration::try_from(judged.duration_since(due))?;
    println!("its verdict came {took:?} after its time");
    assert!(took < SOON, "it was held up: {took:?}");
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
    tests.delete("stuck", &kube::api::DeleteParams::default()).await?;
    gone(tests, "stuck").await?;
    delete_backup(&client, &stuck_name).await?;
    delete_backup(&client, &name).await
}
