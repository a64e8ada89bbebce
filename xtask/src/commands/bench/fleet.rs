//! A fleet: many tests with many old reports, of which one runs now and then. What the operator needs for it when nothing
//! happens, how soon it acts when something does, against the same without a fleet, and what is left of it in the metrics
//! once it is gone.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{RestoreReport, RestoreReportSpec, RestoreTest, names};
use kymaros_testbed::{
    places,
    scene::{NAMESPACE, RELEASE, VELERO, scale, unique},
};
use serde_json::{Value, json};

use super::{completed, memory, percentiles, ratio, series, spread};

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// The test in each namespace.
const TEST: &str = "fleet";
/// The test that runs.
const TRIGGERED: &str = "bench-fleet";
/// An operator that asked for nothing for so long rests.
const QUIET: Duration = Duration::from_secs(10);
/// Longest time until it rests after a start.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long nothing happens.
const IDLE: Duration = Duration::from_mins(1);

/// Measures a fleet of `tests` with `reports` old reports each. `namespace` has the backup's application.
pub async fn measure(
    client: &Client,
    namespace: &str,
    backup: &str,
    (tests, reports, runs): (usize, usize, usize),
) -> Result<()> {
    let namespaces: Vec<String> = (0..tests).map(|_| unique("fleet")).collect();
    let measured = with(client, &namespaces, (namespace, backup), (reports, runs)).await;
    let api = Api::<Namespace>::all(client.clone());
    for name in &namespaces {
        // Some may not have been made.
        let _ = api.delete(name, &DeleteParams::background()).await;
    }
    measured
}

async fn with(
    client: &Client,
    namespaces: &[String],
    (namespace, backup): (&str, &str),
    (reports, runs): (usize, usize),
) -> Result<()> {
    make_test(client, namespace, TRIGGERED, (namespace, backup)).await?;
    let mut floor = triggers(client, namespace, runs.max(1)).await?;
    println!(
        "from the trigger to the Restore, without a fleet: {}",
        spread(&mut floor)
    );
    println!("memory, without a fleet: {}", memory());
    let old = a_report(client, namespace).await?;
    let series_before = series::count(client).await?;
    each(namespaces, |home| make_home(client, home, (namespace, backup))).await?;
    // An operator would take a report without a status for a new run.
    let replicas = scale(client, 0).await?;
    let made = each(namespaces, |home| make_reports(client, home, &old, reports)).await;
    scale(client, replicas).await?;
    made?;
    let count = namespaces.len();
    println!(
        "{count} tests, {} old reports: memory {}",
        count * reports,
        memory()
    );
    let begun = Instant::now();
    while !asked_in(QUIET).await?.is_empty() {
        ensure!(begun.elapsed() < PATIENCE, "the operator never rests");
    }
    let rested = begun.elapsed().saturating_sub(QUIET);
    println!("after a start it rests within {:.0} s", rested.as_secs_f64());
    let asked = asked_in(IDLE).await?;
    println!("requests in a minute when nothing happens: {}", listed(&asked));
    let mut times = triggers(client, namespace, runs).await?;
    times.sort();
    println!(
        "from the trigger to the Restore: {}, {:.2}x of without a fleet (aim: p99 below 300 ms; `--runs 100` for a true one)",
        percentiles(&times, "runs"),
        ratio(&times, &floor)
    );
    println!("memory, after {runs} runs: {}", memory());
    println!("series with {count} tests: {}", series::count(client).await?);
    each(namespaces, |home| delete_test(client, home)).await?;
    series::forgotten(client, namespaces).await?;
    println!(
        "series after deleting them: {} ({series_before} before there were any)",
        series::count(client).await?
    );
    Ok(())
}

async fn each<'a, F>(namespaces: &'a [String], make: impl Fn(&'a str) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    stream::iter(namespaces)
        .map(|home| make(home))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// A finished report, as large as reports are.
async fn a_report(client: &Client, namespace: &str) -> Result<RestoreReport> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default()).await?.items.into_iter().next();
    found.context("there is no report yet")
}

async fn make_home(client: &Client, home: &str, of: (&str, &str)) -> Result<()> {
    let named = Namespace {
        metadata: ObjectMeta {
            name: Some(home.to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &named)
        .await?;
    make_test(client, home, TEST, of).await
}

async fn make_test(client: &Client, home: &str, name: &str, (namespace, backup): (&str, &str)) -> Result<()> {
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": home },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": backup, "namespaces": [{ "name": namespace }] },
            "schedule": { "cron": "0 3 1 1 *" }, "suspend": true, "sandbox": {}, "historyLimit": 500, "healthChecks": { "settle": "0s" },
        },
    }))?;
    let api = Api::<RestoreTest>::namespaced(client.clone(), home);
    api.create(&PostParams::default(), &test).await?;
    Ok(())
}

async fn delete_test(client: &Client, home: &str) -> Result<()> {
    let api = Api::<RestoreTest>::namespaced(client.clone(), home);
    api.delete(TEST, &DeleteParams::default()).await?;
    Ok(())
}

async fn make_reports(client: &Client, home: &str, like: &RestoreReport, count: usize) -> Result<()> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), home);
    for at in 0..count {
        let spec = RestoreReportSpec {
            test_ref: TEST.to_owned(),
            ..like.spec.clone()
        };
        let mut report = RestoreReport::new(&format!("fleet-{at}"), spec);
        report.metadata.labels = Some(like.labels().clone());
        let made = api.create(&PostParams::default(), &report).await?;
        let status = json!({ "status": like.status });
        let name = made.name_any();
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await?;
    }
    Ok(())
}

/// What the operator asks of the API server in that time: how often what. Its Lease does not count, nor do watches, which are
/// recorded when they end.
async fn asked_in(time: Duration) -> Result<BTreeMap<String, usize>> {
    let before = fs::read_to_string(places::audit_log())?.len();
    tokio::time::sleep(time).await;
    let log = fs::read_to_string(places::audit_log())?;
    let operator = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}");
    let mut asked = BTreeMap::new();
    for line in log.get(before..).unwrap_or_default().lines() {
        let request: Value = serde_json::from_str(line)?;
        let counts = request["objectRef"]["resource"] != "leases" && request["verb"] != "watch";
        if counts && request["user"]["username"] == operator.as_str() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let what = format!(
                "{} {}",
                text(&request["verb"]),
                text(&request["objectRef"]["resource"])
            );
            *asked.entry(what).or_default() += 1;
        }
    }
    Ok(asked)
}

fn listed(asked: &BTreeMap<String, usize>) -> String {
    let all: Vec<String> = asked
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// Of so many runs, one after the other.
async fn triggers(client: &Client, namespace: &str, runs: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        times.push(trigger(client, namespace).await?);
    }
    Ok(times)
}

/// From the annotation to the Restore, as seen from outside.
async fn trigger(client: &Client, namespace: &str) -> Result<Duration> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
    let restores = Api::<DynamicObject>::namespaced_with(client.clone(), VELERO, &resource);
    let reports = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let count = reports.list(&ListParams::default()).await?.items.len();
    let newest = watcher::Config::default().any_semantic();
    let mut events = watcher(restores, newest)
        .default_backoff()
        .applied_objects()
        .boxed();
    let begun = jiff::Timestamp::now();
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let annotation = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    let clock = Instant::now();
    tests
        .patch(TRIGGERED, &PatchParams::default(), &Patch::Merge(&annotation))
        .await?;
    let made = async {
        while let Some(restore) = events.try_next().await? {
            let created = restore.creation_timestamp().map(|t| t.0.as_second());
            if created >= Some(begun.as_second()) {
                return Ok(clock.elapsed());
            }
        }
        bail!("the watch ended")
    };
    let took = tokio::time::timeout(Duration::from_mins(1), made)
        .await
        .context("no Restore came")??;
    completed(client, namespace, count + 1).await?;
    Ok(took)
}
