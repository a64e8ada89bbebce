//! Stories share this: a small application, a test of it, and waiting for its report.

#![allow(dead_code, reason = "each file of stories uses its own part")]

pub mod removal;
pub mod velero;
pub mod webhooks;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, PersistentVolume},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::await_condition,
};
use kymaros_crds::{Cause, RestoreReport, RestoreReportStatus, RestoreTest, RunPhase, RunResult, names};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, deploy_shop, unique, wait_ready};
use serde_json::{Value, json};

/// A front end without a database: one Deployment, one Service, one `ConfigMap` it needs.
pub const SMALL: &str = include_str!("small.yaml");

/// A namespace with the small application, and a backup of it.
pub async fn small(scene: &mut Scene, stem: &str) -> Result<(String, String)> {
    let namespace = scene.namespace(stem).await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique(stem);
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    Ok((namespace, name))
}

/// A namespace with the shop, and a backup of it.
pub async fn shop(scene: &mut Scene, stem: &str) -> Result<(String, String)> {
    let namespace = scene.namespace(stem).await?;
    deploy_shop(&scene.client, &namespace).await?;
    let name = unique(stem);
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    Ok((namespace, name))
}

/// Longest time a run may take before a story gives up.
const PATIENCE: Duration = Duration::from_mins(4);

/// The spec of a test; `change` is merged into it.
pub fn spec(namespaces: &[&str], backup: &str, change: Value) -> Value {
    let namespaces: Vec<Value> = namespaces.iter().map(|n| json!({ "name": n })).collect();
    let mut spec = json!({
        "backupSource": { "provider": "velero", "backupName": backup, "namespaces": namespaces },
        "schedule": { "cron": "0 3 1 1 *" },
        "sandbox": { "ttl": "10m" },
        "healthChecks": { "settle": "1s", "timeout": "2m" },
    });
    merge(&mut spec, change);
    spec
}

fn merge(base: &mut Value, change: Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change,
    }
}

/// Makes a test; the operator runs it at once.
pub async fn create_test(client: &Client, namespace: &str, name: &str, spec: Value) -> Result<RestoreTest> {
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    }))?;
    let api = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    Ok(api.create(&PostParams::default(), &test).await?)
}

/// The newest report of a test, as soon as `good` says so.
pub async fn report_when(
    client: &Client,
    namespace: &str,
    test: &str,
    what: &str,
    good: impl Fn(&RestoreReport) -> bool,
) -> Result<RestoreReport> {
    use futures::StreamExt;
    use kube::runtime::{WatchStreamExt, watcher};
    let api = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let reports = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut reports = std::pin::pin!(reports);
    let found = async {
        while let Some(report) = reports.next().await {
            // A watch that was cut begins again; the deadline ends what does not come.
            let Ok(report) = report else { continue };
            if report.spec.test_ref == test && good(&report) {
                return Ok(report);
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .with_context(|| format!("{test}: {what} within {PATIENCE:?}"))?
}

/// The report of a run that is over.
pub async fn finished(client: &Client, namespace: &str, test: &str) -> Result<RestoreReport> {
    report_when(client, namespace, test, "a finished run", |r| {
        phase(r) == Some(RunPhase::Completed)
    })
    .await
}

/// Nobody could look at the backup, so nothing is said of it.
pub fn assert_undecided(report: &RestoreReport) -> Result<()> {
    let status = report.status.as_ref().context("no status")?;
    println!("{:?} {:?}", status.reason, status.message);
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Inconclusive), Some(Cause::Sandbox)),
        "{:?}",
        status.findings
    );
    let blames = status.findings.iter().any(|f| f.cause == Cause::Backup);
    assert!(!blames, "the backup is accused: {:?}", status.findings);
    Ok(())
}

/// Waits until the API server reaches the webhooks: it learns late that a replica is ready.
pub async fn answers(client: &Client, namespace: &str) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "asked", "namespace": namespace }, "spec": spec(&["shop"], "none", json!({})),
    }))?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut in_a_row = 0;
    while in_a_row < 5 {
        ticks.tick().await;
        let answer = Api::<RestoreTest>::namespaced(client.clone(), namespace)
            .create(&dry, &test)
            .await;
        in_a_row = if answer.is_ok() { in_a_row + 1 } else { 0 };
        if tokio::time::Instant::now() > deadline {
            answer.context("the webhooks do not answer")?;
        }
    }
    Ok(())
}

/// Makes a test and waits for the end of its first run.
pub async fn run(scene: &Scene, namespace: &str, name: &str, spec: Value) -> Result<RestoreReport> {
    create_test(&scene.client, namespace, name, spec).await?;
    finished(&scene.client, namespace, name).await
}

/// Triggers another run of a test and waits for its end. Reports of runs `before` may still be there, or be about to go.
pub async fn again(client: &Client, namespace: &str, test: &str, before: &[String]) -> Result<RestoreReport> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    tests
        .patch(test, &PatchParams::default(), &Patch::Merge(&trigger))
        .await?;
    report_when(client, namespace, test, "another run", |r| {
        !before.contains(&r.name_any()) && phase(r) == Some(RunPhase::Completed)
    })
    .await
}

/// The moment at which a Restore into this sandbox is seen to run.
pub async fn restore_begins(client: Client, sandbox: String) -> Result<Instant> {
    use futures::StreamExt;
    use kube::runtime::{WatchStreamExt, watcher};
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
    let api = Api::<DynamicObject>::all_with(client, &resource);
    let runs = |restore: &DynamicObject| {
        let mapping = restore.data["spec"]["namespaceMapping"].as_object();
        let is_ours = mapping.is_some_and(|m| m.values().any(|to| to.as_str() == Some(&*sandbox)));
        is_ours && restore.data["status"]["startTimestamp"].is_string()
    };
    let restores = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut restores = std::pin::pin!(restores);
    let began = async {
        while let Some(restore) = restores.next().await {
            if restore.is_ok_and(|restore| runs(&restore)) {
                return Ok(Instant::now());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, began)
        .await
        .context("no restore begins")?
}

/// What a stopwatch outside of Kymaros shows: from the moment a Restore into this sandbox is seen to run until the small
/// application in it is seen to be ready.
pub async fn stopwatch(client: Client, sandbox: String) -> Result<Duration> {
    let began = restore_begins(client.clone(), sandbox.clone()).await?;
    let deployments = Api::<Deployment>::namespaced(client, &sandbox);
    let ready = await_condition(deployments, "web", |d: Option<&Deployment>| {
        let ready = d.and_then(|d| d.status.as_ref()).and_then(|s| s.ready_replicas);
        ready.unwrap_or_default() > 0
    });
    tokio::time::timeout(PATIENCE, ready)
        .await
        .context("the application does not get ready")??;
    Ok(began.elapsed())
}

/// Whether the recovery time of a report is what the stopwatch showed; Velero's clock has whole seconds.
pub fn assert_recovery_time(report: &RestoreReport, shown: Duration) -> Result<()> {
    let measured = report
        .status
        .as_ref()
        .and_then(|s| s.rto.as_ref())
        .map(|r| r.measured.clone());
    let measured = kymaros_crds::domain::duration::parse(&measured.context("no recovery time")?)?;
    assert!(
        measured.abs_diff(shown) < Duration::from_secs(2),
        "the report says {measured:?}, the stopwatch {shown:?}"
    );
    Ok(())
}

/// How long a run took, from its start to its verdict.
pub fn duration(status: &RestoreReportStatus) -> Result<Duration> {
    let started = status.started_at.as_ref().context("no start")?;
    let ended = status.completed_at.as_ref().context("no end")?;
    Ok(Duration::try_from(ended.0.duration_since(started.0))?)
}

/// How long a run waited for what was to come up, seconds; by itself it gives up after two minutes ([`spec`]).
pub fn start_up(status: &RestoreReportStatus) -> Result<f64> {
    let entry = status.timeline.iter().find(|entry| entry.name == "start-up");
    entry.and_then(|entry| entry.seconds).context("no start-up")
}

/// Where a run stands.
pub fn phase(report: &RestoreReport) -> Option<RunPhase> {
    report.status.as_ref().and_then(|s| s.phase)
}

/// Of the kind of the snapshot controller; the test cluster has the kind alone.
pub fn snapshot_contents(client: &Client) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("snapshot.storage.k8s.io", "v1", "VolumeSnapshotContent");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&gvk))
}

/// Everything in the cluster that still belongs to a run: listed by its labels, volumes by their claims and snapshots by what
/// they are for.
pub async fn leftovers(client: &Client, report: &RestoreReport) -> Result<Vec<String>> {
    let uid = report.uid().unwrap_or_default();
    let of_run = ListParams::default().labels(&format!("{}={uid}", names::RUN_UID_LABEL));
    let mut left = Vec::new();
    for namespace in Api::<Namespace>::all(client.clone()).list(&of_run).await? {
        left.push(format!("Namespace/{}", namespace.name_any()));
    }
    for map in Api::<ConfigMap>::all(client.clone()).list(&of_run).await? {
        left.push(format!("ConfigMap/{}", map.name_any()));
    }
    for kind in ["Restore", "DownloadRequest"] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", kind));
        for object in Api::<DynamicObject>::all_with(client.clone(), &resource)
            .list(&of_run)
            .await?
        {
            left.push(format!("{kind}/{}", object.name_any()));
        }
    }
    let sandboxes: Vec<String> = report
        .status
        .iter()
        .flat_map(|s| &s.sandboxes)
        .map(|s| s.name.clone())
        .collect();
    let contents = match snapshot_contents(client).list(&ListParams::default()).await {
        Ok(contents) => contents.items,
        // A cluster of the user's need not have the kind.
        Err(kube::Error::Api(status)) if status.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for content in contents {
        let namespace = content.data["spec"]["volumeSnapshotRef"]["namespace"].as_str();
        if namespace.is_some_and(|ns| sandboxes.iter().any(|sandbox| sandbox == ns)) {
            left.push(format!("VolumeSnapshotContent/{}", content.name_any()));
        }
    }
    for volume in Api::<PersistentVolume>::all(client.clone())
        .list(&ListParams::default())
        .await?
    {
        let claim = volume
            .spec
            .as_ref()
            .and_then(|s| s.claim_ref.as_ref())
            .and_then(|c| c.namespace.as_ref());
        if claim.is_some_and(|ns| sandboxes.contains(ns)) {
            left.push(format!("PersistentVolume/{}", volume.name_any()));
        }
    }
    Ok(left)
}

/// Waits until nothing belongs to a run any more.
pub async fn until_nothing_is_left(client: &Client, report: &RestoreReport) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        let left = leftovers(client, report).await?;
        if left.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("still left: {left:?}");
        }
    }
}

/// Waits until an object is gone.
pub async fn gone<K>(api: Api<K>, name: &str) -> Result<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    let gone = await_condition(api, name, |o: Option<&K>| o.is_none());
    tokio::time::timeout(PATIENCE, gone)
        .await
        .with_context(|| format!("{name} is still there"))??;
    Ok(())
}
