//! The operator is away: production works on, people restore and delete as ever; only new tests and writes into
//! sandboxes wait. A file of its own, because nothing else may run meanwhile.

mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration,
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::await_condition,
};
use kymaros_crds::{RestoreReport, RestoreTest};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, scale, unique, wait_ready};
use kymaros_testbed::signals::{find, is_operator, signal};
use serde_json::json;
use story::{SMALL, answers, gone, run, spec};

/// The configuration of the validating webhooks.
const WEBHOOKS: &str = "kymaros";

#[tokio::test]
async fn without_the_operator_only_its_own_work_waits() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("away").await?;
    apply(&client, &namespace, SMALL).await?;
    wait_ready(&client, &namespace, "app=small", 1).await?;
    let name = unique("away");
    backup(&client, &name, &Backup::of(&[&namespace])).await?;
    let kept = spec(
        &[&namespace],
        &name,
        json!({ "sandbox": { "retention": "UntilTTL", "ttl": "10m" } }),
    );
    let report = run(&scene, &namespace, "away", kept.clone()).await?;
    let sandbox = report
        .status
        .and_then(|s| s.sandboxes.first().cloned())
        .context("no sandbox")?
        .name;
    let idle_home = scene.namespace("away-idle").await?;
    story::create_test(&client, &idle_home, "idle", idle(&namespace, &name)).await?;
    unheld(&client, &idle_home, "idle").await?;
    while_it_hangs(&mut scene, &namespace, &idle_home).await?;
    answers(&client, &namespace).await?;
    let replicas = scale(&client, 0).await?;
    let seen = while_away(&mut scene, [&namespace, &idle_home], &sandbox, &name, kept).await;
    let wrong = unvalidated(&client, &namespace).await;
    scale(&client, replicas).await?;
    seen?;
    wrong?;
    answers(&client, &namespace).await?;
    says_what_is_wrong(&client, &namespace).await?;
    Api::<RestoreTest>::namespaced(client.clone(), &namespace)
        .delete("away", &DeleteParams::default())
        .await?;
    gone(Api::<RestoreTest>::namespaced(client.clone(), &namespace), "away").await?;
    delete_backup(&client, &name).await
}

/// Every replica stands still and is still asked: nobody has noticed yet. What asks it waits and is refused in the end;
/// what does not goes on at once.
async fn while_it_hangs(scene: &mut Scene, namespace: &str, idle_home: &str) -> Result<()> {
    let replicas = find("the operator", is_operator)?;
    for replica in &replicas {
        signal("-STOP", replica)?;
    }
    let seen = hanging(scene, namespace, idle_home).await;
    for replica in &replicas {
        // Its kubelet may have started another one instead.
        drop(signal("-CONT", replica));
    }
    seen
}

async fn hanging(scene: &mut Scene, namespace: &str, idle_home: &str) -> Result<()> {
    let client = scene.client.clone();
    let change = async {
        let tests = Api::<RestoreTest>::namespaced(client.clone(), idle_home);
        let change = Patch::Merge(json!({ "spec": { "historyLimit": 3 } }));
        tests.patch("idle", &PatchParams::default(), &change).await
    };
    let production = async {
        let begun = Instant::now();
        let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "hangs" } }))?;
        let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        maps.create(&PostParams::default(), &map).await?;
        maps.delete("hangs", &DeleteParams::default()).await?;
        let other = scene.namespace("away-hangs").await?;
        apply(&client, &other, SMALL).await?;
        let took = begun.elapsed();
        // A webhook that is asked of it would have it wait for its whole timeout.
        ensure!(took < Duration::from_secs(5), "production waited {took:?}");
        wait_ready(&client, &other, "app=small", 1).await?;
        scene.remove(&other).await
    };
    let (changed, production) = tokio::join!(change, production);
    production?;
    let refused = changed.err().context("a change of a test went through unseen")?;
    ensure!(
        refused.to_string().contains("failed calling webhook"),
        "{refused:#}"
    );
    Ok(())
}

/// A test that does nothing by itself.
fn idle(namespace: &str, backup: &str) -> serde_json::Value {
    spec(&[namespace], backup, json!({ "suspend": true }))
}

/// Waits until the operator has seen a test, and holds it no more.
async fn unheld(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let seen = await_condition(tests, name, |t: Option<&RestoreTest>| {
        t.is_some_and(|t| t.status.is_some() && t.finalizers().is_empty())
    });
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .context("an idle test is held")??;
    Ok(())
}

/// Stores a test that no webhook has seen, as there are after an outage in which somebody removed the webhooks.
async fn unvalidated(client: &Client, namespace: &str) -> Result<()> {
    let configurations = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    let mut saved = configurations.get(WEBHOOKS).await?;
    configurations.delete(WEBHOOKS, &DeleteParams::default()).await?;
    saved.metadata.resource_version = None;
    saved.metadata.uid = None;
    let wrong = story::spec(&["shop"], "none", json!({ "schedule": { "cron": "61 3 * * *" } }));
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let stored = loop {
        ticks.tick().await;
        let stored = story::create_test(client, namespace, "wrong", wrong.clone()).await;
        if stored.is_ok() || Instant::now() > deadline {
            break stored;
        }
    };
    configurations.create(&PostParams::default(), &saved).await?;
    stored.map(drop)
}

async fn says_what_is_wrong(client: &Client, namespace: &str) -> Result<()> {
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let told = await_condition(tests.clone(), "wrong", |t: Option<&RestoreTest>| {
        let conditions = t.and_then(|t| t.status.as_ref()).map(|s| &s.conditions);
        conditions
            .into_iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "False" && c.message.contains("spec.schedule.cron"))
    });
    tokio::time::timeout(Duration::from_mins(1), told)
        .await
        .context("no condition")??;
    let reports = Api::<RestoreReport>::namespaced(client.clone(), namespace)
        .list(&ListParams::default())
        .await?;
    assert!(
        reports.iter().all(|r| r.spec.test_ref != "wrong"),
        "a test that cannot be read was run"
    );
    tests.delete("wrong", &DeleteParams::default()).await?;
    gone(tests, "wrong").await
}

async fn while_away(
    scene: &mut Scene,
    [namespace, idle_home]: [&str; 2],
    sandbox: &str,
    name: &str,
    test: serde_json::Value,
) -> Result<()> {
    let client = scene.client.clone();
    let map = |name: &str| -> Result<ConfigMap> {
        Ok(serde_json::from_value(json!({ "metadata": { "name": name } }))?)
    };
    let waits = |what: &str, error: Option<kube::Error>| -> Result<()> {
        let error = error.with_context(|| format!("{what} went through unseen"))?;
        assert!(
            error.to_string().contains("failed calling webhook"),
            "{what}: {error}"
        );
        Ok(())
    };
    let sandboxed = Api::<ConfigMap>::namespaced(client.clone(), sandbox);
    waits(
        "a write into a sandbox",
        sandboxed.create(&PostParams::default(), &map("x")?).await.err(),
    )?;
    let refused = story::create_test(&client, namespace, "another", test)
        .await
        .err()
        .context("a test was taken unseen")?;
    assert!(
        refused.to_string().contains("failed calling webhook"),
        "{refused:#}"
    );
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let change = Patch::Merge(json!({ "spec": { "historyLimit": 3 } }));
    let changed = tests.patch("away", &PatchParams::default(), &change).await;
    waits("a change of a test", changed.err())?;

    // Production: workloads are changed, namespaces come and go.
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    maps.create(&PostParams::default(), &map("x")?).await?;
    maps.delete("x", &DeleteParams::default()).await?;
    let other = scene.namespace("away-other").await?;
    apply(&client, &other, SMALL).await?;
    wait_ready(&client, &other, "app=small", 1).await?;
    scene.remove(&other).await?;

    // Velero: a backup, and a restore by a person into a namespace of its own.
    let second = unique("away-second");
    backup(&client, &second, &Backup::of(&[namespace])).await?;
    // Named as people name such things: like a date, which looks like the end of a sandbox's name.
    let target = format!("{}-20260101", unique("recovered"));
    restore_by_hand(&client, name, namespace, &target).await?;
    wait_ready(&client, &target, "app=small", 1).await?;
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.delete(&target, &DeleteParams::default()).await?;
    gone(namespaces.clone(), &target).await?;
    delete_backup(&client, &second).await?;

    // Tests that do nothing now go, and so does the namespace they are in.
    let idle = Api::<RestoreTest>::namespaced(client.clone(), idle_home);
    idle.delete("idle", &DeleteParams::default()).await?;
    gone(idle, "idle").await?;
    scene.remove(idle_home).await?;

    // Even a sandbox can be removed by hand.
    namespaces.delete(sandbox, &DeleteParams::default()).await?;
    gone(namespaces, sandbox).await
}

async fn restore_by_hand(client: &Client, backup: &str, from: &str, to: &str) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), "velero", &resource);
    let restore: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": { "name": to },
        "spec": { "backupName": backup, "includedNamespaces": [from], "namespaceMapping": { from: to } },
    }))?;
    api.create(&PostParams::default(), &restore).await?;
    let ended = await_condition(api.clone(), to, |r: Option<&DynamicObject>| {
        let phase = r.and_then(|r| r.data["status"]["phase"].as_str());
        matches!(
            phase,
            Some("Completed" | "PartiallyFailed" | "Failed" | "FailedValidation")
        )
    });
    let ended = tokio::time::timeout(Duration::from_mins(2), ended)
        .await
        .context("the restore never ended")??;
    let phase = ended
        .map(|r| r.data["status"]["phase"].clone())
        .unwrap_or_default();
    assert_eq!(phase, "Completed");
    api.delete(to, &DeleteParams::default()).await?;
    Ok(())
}
