//! Many tests due at once, against as many Restores made by hand with Velero alone: Velero restores one after the other,
//! so the difference is ours.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{RestoreReport, RestoreTest, names};
use kymaros_testbed::scene::{VELERO, unique};
use serde_json::{Value, json};

/// Longest time for all of them.
const PATIENCE: Duration = Duration::from_mins(10);
/// Requests under way at once.
const AT_ONCE: usize = 10;

/// Measures both and prints the ratio.
pub async fn measure(client: &Client, namespace: &str, backup: &str, count: usize) -> Result<()> {
    let by_hand = by_hand(client, namespace, backup, count).await?;
    println!("{count} restores by hand: {:.1} s", by_hand.as_secs_f64());
    let (restored, judged) = by_kymaros(client, namespace, backup, count).await?;
    let ratio = |time: Duration| time.as_secs_f64() / by_hand.as_secs_f64();
    println!(
        "{count} tests due at once: the last restore ended after {:.1} s ({:.2}x), the last verdict came after {:.1} s ({:.2}x)",
        restored.as_secs_f64(),
        ratio(restored),
        judged.as_secs_f64(),
        ratio(judged),
    );
    Ok(())
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

async fn by_kymaros(
    client: &Client,
    namespace: &str,
    backup: &str,
    count: usize,
) -> Result<(Duration, Duration)> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let names: Vec<String> = (0..count).map(|at| format!("crowd-{at}")).collect();
    for name in &names {
        let test: RestoreTest = serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "backupSource": { "provider": "velero", "backupName": backup, "namespaces": [{ "name": namespace }] },
                "schedule": { "cron": "0 3 1 1 *" }, "suspend": true, "sandbox": { "ttl": "20m" },
                "healthChecks": { "settle": "0s" },
            },
        }))?;
        tests.create(&PostParams::default(), &test).await?;
    }
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    let begun = Instant::now();
    stream::iter(&names)
        .map(|name| {
            let (tests, trigger) = (tests.clone(), trigger.clone());
            async move {
                tests
                    .patch(name, &PatchParams::default(), &Patch::Merge(&trigger))
                    .await
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let status = |report: &RestoreReport| serde_json::to_value(&report.status).unwrap_or(Value::Null);
    let ours = |report: &RestoreReport| names.contains(&report.spec.test_ref);
    let restored = async {
        all(&reports, count, |r| {
            ours(r) && status(r)["restores"][0]["completedAt"].is_string()
        })
        .await?;
        anyhow::Ok(begun.elapsed())
    };
    let judged = async {
        all(&reports, count, |r| {
            ours(r) && status(r)["completedAt"].is_string()
        })
        .await?;
        anyhow::Ok(begun.elapsed())
    };
    tokio::try_join!(restored, judged)
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
