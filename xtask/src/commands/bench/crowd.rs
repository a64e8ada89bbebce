//! Many tests due in the same minute, one of them with a pod that never starts, against as many Restores made by hand with Velero
//! alone: Velero restores one after the other, so the difference is ours.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{RestoreReport, RestoreTest, Trigger};
use kymaros_testbed::scene::{Backup, Scene, VELERO, apply, backup, delete_backup, unique};
use serde_json::{Value, json};

/// Longest time for all of them.
const PATIENCE: Duration = Duration::from_mins(10);
/// Requests under way at once.
const AT_ONCE: usize = 10;
/// Time enough for all of them to be planned.
const AHEAD: Duration = Duration::from_secs(15);
/// How much longer than by hand it may take.
const AIM: f64 = 1.1;
/// The test with a pod that never starts.
const STUCK: &str = "crowd-stuck";

/// Measures both and prints the ratio, beside the one that is aimed at.
pub async fn measure(scene: &mut Scene, namespace: &str, backup: &str, count: usize) -> Result<()> {
    ensure!(count > 1, "a crowd has two tests at least");
    let client = scene.client.clone();
    let by_hand = by_hand(&client, namespace, backup, count).await?;
    println!("{count} restores by hand: {:.1} s", by_hand.as_secs_f64());
    let (stuck, of_stuck) = stuck(scene).await?;
    let others = count - 1;
    make(&client, namespace, STUCK, (&stuck, &of_stuck)).await?;
    for name in names(others) {
        make(&client, namespace, &name, (namespace, backup)).await?;
    }
    let (restored, judged) = by_kymaros(&client, namespace, others).await?;
    let ratio = |time: Duration| time.as_secs_f64() / by_hand.as_secs_f64();
    println!(
        "{count} tests due in the same minute, one with a pod that never starts: of the others the last restore ended {:.1} s \
         after their time ({:.2}x, the aim is {AIM:.2}x), the last verdict came after {:.1} s ({:.2}x)",
        restored.as_secs_f64(),
        ratio(restored),
        judged.as_secs_f64(),
        ratio(judged),
    );
    delete_backup(&client, &of_stuck).await
}

/// A namespace with an application whose image is nowhere, so that it is waited for until its time is up, and its backup.
async fn stuck(scene: &mut Scene) -> Result<(String, String)> {
    let namespace = scene.namespace("bench-stuck").await?;
    let nowhere = super::SMALL
        .replace("kymaros.test/busybox:1", "registry.invalid/shop:1")
        .replace("IfNotPresent", "Always");
    apply(&scene.client, &namespace, &nowhere).await?;
    let name = unique("bench-stuck");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    Ok((namespace, name))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("crowd-{at}")).collect()
}

/// A test that is suspended, and has run before: it does not run because it is new.
async fn make(client: &Client, home: &str, name: &str, (namespace, backup): (&str, &str)) -> Result<()> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), home);
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": home },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": backup, "namespaces": [{ "name": namespace }] },
            "schedule": { "cron": "0 3 1 1 *" }, "suspend": true, "sandbox": { "ttl": "20m" },
            "healthChecks": { "settle": "0s", "timeout": "10m" },
        },
    }))?;
    tests.create(&PostParams::default(), &test).await?;
    let ran = Patch::Merge(json!({ "status": { "lastRunAt": Timestamp::now().round(Unit::Second)? } }));
    tests.patch_status(name, &PatchParams::default(), &ran).await?;
    Ok(())
}

/// A minute that is ahead long enough for all tests to be planned for it.
fn next_minute() -> Result<Timestamp> {
    let up = TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    Ok((Timestamp::now() + AHEAD).round(up)?)
}

fn restores(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
    Api::namespaced_with(client.clone(), VELERO, &resource)
}

async fn by_hand(client: &Client, namespace: &str, backup: &str, count: usize) -> Result<Duration> {
    let targets: Vec<String> = (0..count).map(|_| unique("by-hand")).collect();
    let begun = Instant::now();
    let api = restores(client);
    stream::iter(&targets)
        .map(|target| {
            let api = api.clone();
            let spec = json!({ "backupName": backup, "includedNamespaces": [namespace],
                "namespaceMapping": { namespace: target } });
            async move {
                let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
                let mut restore = DynamicObject::new(target, &resource).within(VELERO);
                restore.data = json!({ "spec": spec });
                api.create(&PostParams::default(), &restore).await
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let ended = all(&api, count, |restore: &DynamicObject| {
        let is_ours = targets.contains(&restore.name_any());
        let phase = restore.data["status"]["phase"].as_str().unwrap_or_default();
        is_ours && matches!(phase, "Completed" | "PartiallyFailed" | "Failed")
    });
    ended.await?;
    let took = begun.elapsed();
    let namespaces = Api::<Namespace>::all(client.clone());
    for target in &targets {
        api.delete(target, &DeleteParams::default()).await?;
        namespaces.delete(target, &DeleteParams::background()).await?;
    }
    Ok(took)
}

/// Plans all tests for the same minute, and waits for all but the one whose pod never starts.
async fn by_kymaros(client: &Client, namespace: &str, others: usize) -> Result<(Duration, Duration)> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let names = names(others);
    let due = next_minute()?;
    let cron = due.strftime("%M %H %d %m *").to_string();
    let planned = Patch::Merge(json!({ "spec": { "suspend": false, "schedule": { "cron": cron } } }));
    stream::iter(names.iter().map(String::as_str).chain([STUCK]))
        .map(|name| {
            let (tests, planned) = (tests.clone(), planned.clone());
            async move { tests.patch(name, &PatchParams::default(), &planned).await }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let begun = Instant::now() + Duration::try_from(due.duration_since(Timestamp::now()))?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let status = |report: &RestoreReport| serde_json::to_value(&report.status).unwrap_or(Value::Null);
    let ours = |report: &RestoreReport| {
        report.spec.trigger == Some(Trigger::Schedule) && names.contains(&report.spec.test_ref)
    };
    let restored = async {
        all(&reports, others, |r| {
            ours(r) && status(r)["restores"][0]["completedAt"].is_string()
        })
        .await?;
        anyhow::Ok(begun.elapsed())
    };
    let judged = async {
        all(&reports, others, |r| {
            ours(r) && status(r)["completedAt"].is_string()
        })
        .await?;
        anyhow::Ok(begun.elapsed())
    };
    let took = tokio::try_join!(restored, judged)?;
    // What never starts would be waited for.
    tests.delete(STUCK, &DeleteParams::default()).await?;
    Ok(took)
}

/// Waits until there are so many good objects.
async fn all<K>(api: &Api<K>, count: usize, good: impl Fn(&K) -> bool) -> Result<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let objects = watcher(api.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut objects = std::pin::pin!(objects);
    let mut found = std::collections::BTreeSet::new();
    let wait = async {
        while let Some(object) = objects.try_next().await? {
            if good(&object) {
                found.insert(object.meta().name.clone());
            }
            if found.len() >= count {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .with_context(|| format!("{count} did not end in time"))?
}
