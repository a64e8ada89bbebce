//! What a spec says happens: one story for each field that no other test depends on.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{
    ContainerLogType, RestoreReport, RestoreReportStatus, RestoreTest, RunPhase, RunResult, Severity, names,
};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::{Value, json};
use story::{SMALL, create_test, gone, run, small, spec};

fn get(path: &str) -> Value {
    json!({ "name": "page", "type": "httpGet", "timeout": "3s",
        "httpGet": { "service": "web", "port": 80, "path": path, "expectedStatus": 200 } })
}

fn condition(report: &RestoreReport, type_: &str) -> Option<String> {
    let conditions = &report.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|c| c.type_ == type_)
        .map(|c| c.status.clone())
}

fn status(report: &RestoreReport) -> RestoreReportStatus {
    report.status.clone().unwrap_or_default()
}

/// Triggers another run of a test and waits for its end. Reports of runs `before` may still be there, or be about to go.
async fn again(scene: &Scene, namespace: &str, test: &str, before: &[String]) -> Result<RestoreReport> {
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), namespace);
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    tests
        .patch(test, &PatchParams::default(), &Patch::Merge(&trigger))
        .await?;
    story::report_when(&scene.client, namespace, test, "another run", |r| {
        !before.contains(&r.name_any()) && story::phase(r) == Some(RunPhase::Completed)
    })
    .await
}

#[tokio::test]
async fn a_missed_recovery_time_is_said_to_whoever_asked_and_so_is_what_got_worse() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("worse").await?;
    // What takes less than a second may be no time at all to Velero and the kubelet, whose clocks have whole seconds.
    let probe = "readinessProbe:\n";
    let slow = SMALL.replace(probe, &format!("{probe}            initialDelaySeconds: 2\n"));
    apply(&scene.client, &namespace, &slow).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("worse");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let agreed = json!({ "sla": { "maxRTO": "1ms", "alertOnExceed": true }, "healthChecks": { "checks": [get("/")] } });
    let first = run(&scene, &namespace, "worse", spec(&[&namespace], &name, agreed)).await?;
    assert_eq!(condition(&first, "RTOExceeded").as_deref(), Some("True"));
    assert_eq!(
        condition(&first, "Regressed"),
        None,
        "there is nothing to compare it with"
    );
    let told = status(&first)
        .findings
        .iter()
        .any(|f| f.severity == Severity::Warning && f.message.contains("more than the agreed 1ms"));
    assert!(told, "{:?}", status(&first).findings);
    let events = Api::<Event>::namespaced(scene.client.clone(), &namespace);
    let said = await_event(&events, "more than the agreed 1ms").await?;
    assert_eq!(said.type_.as_deref(), Some("Warning"));

    // Edits take effect at once: the next run is judged by them, and compared with the first.
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    let worse = json!({ "spec": { "sla": null, "healthChecks": { "checks": [get("/absent")] } } });
    tests
        .patch("worse", &PatchParams::default(), &Patch::Merge(&worse))
        .await?;
    let second = again(&scene, &namespace, "worse", &[first.name_any()]).await?;
    assert_eq!(
        second.spec.previous.as_ref().map(|p| p.report.clone()),
        Some(first.name_any())
    );
    assert_eq!(condition(&second, "Regressed").as_deref(), Some("True"));
    assert!(
        status(&second)
            .regressions
            .iter()
            .any(|r| r.contains("internalHealth")),
        "{:?}",
        status(&second).regressions
    );
    let test = await_condition(tests, "worse", |t: Option<&RestoreTest>| {
        let conditions = t.and_then(|t| t.status.as_ref()).map(|s| &s.conditions);
        conditions.is_some_and(|c| {
            let regressed = c.iter().any(|c| c.type_ == "Regressed" && c.status == "True");
            regressed && !c.iter().any(|c| c.type_ == "RTOExceeded")
        })
    });
    tokio::time::timeout(std::time::Duration::from_mins(1), test)
        .await
        .context("the test does not say what its run says")??;
    delete_backup(&scene.client, &name).await
}

async fn await_event(events: &Api<Event>, text: &str) -> Result<Event> {
    use futures::{StreamExt, TryStreamExt};
    use kube::runtime::{WatchStreamExt, watcher};
    let mut seen = watcher(events.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .try_filter(|e| std::future::ready(e.note.as_deref().is_some_and(|n| n.contains(text))))
        .boxed();
    let found = tokio::time::timeout(std::time::Duration::from_mins(1), seen.try_next()).await;
    found
        .with_context(|| format!("nobody says {text}"))??
        .context("the watch ended")
}

#[tokio::test]
async fn logs_and_events_are_collected_as_asked_and_not_otherwise() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("logs").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    let talks = json!({ "spec": { "template": { "spec": {
        "initContainers": [{ "name": "first", "image": "kymaros.test/busybox:1", "command": ["echo", "in the beginning"] }],
        "containers": [{ "name": "web", "command": ["sh", "-c",
            "for i in $(seq 40); do echo line $i; done; exec httpd -f -p 8080 -h /www"] }] } } } });
    let deployments =
        Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(scene.client.clone(), &namespace);
    deployments
        .patch("web", &PatchParams::default(), &Patch::Strategic(talks))
        .await?;
    let rollout = [
        "rollout",
        "status",
        "deployment/web",
        "--timeout=90s",
        "-n",
        &namespace,
    ];
    scene.cluster.kubectl(&rollout)?;
    let name = unique("logs");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let with = |logs: Value| spec(&[&namespace], &name, json!({ "logCollection": logs }));

    let all = run(
        &scene,
        &namespace,
        "all",
        with(json!({ "enabled": true, "maxLines": 10 })),
    )
    .await?;
    let logs: Vec<_> = status(&all)
        .pod_logs
        .into_iter()
        .flat_map(|p| p.containers)
        .collect();
    let web = logs
        .iter()
        .find(|l| l.type_ == ContainerLogType::Container)
        .with_context(|| format!("{logs:?}"))?;
    assert!(
        web.truncated && web.log.lines().count() == 10 && web.log.ends_with("line 40"),
        "{web:?}"
    );
    let init = logs.iter().find(|l| l.type_ == ContainerLogType::Init);
    assert_eq!(init.map(|l| l.log.as_str()), Some("in the beginning"));
    assert!(!status(&all).events.is_empty());

    let less = json!({ "enabled": true, "includeInit": false, "includeEvents": false });
    let less = status(&run(&scene, &namespace, "less", with(less)).await?);
    let logs: Vec<_> = less.pod_logs.iter().flat_map(|p| &p.containers).collect();
    assert!(logs.iter().all(|l| l.type_ == ContainerLogType::Container) && !logs.is_empty());
    assert!(less.events.is_empty());

    let none = status(&run(&scene, &namespace, "none", with(json!({ "enabled": false }))).await?);
    assert!(none.pod_logs.is_empty() && none.events.is_empty());
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn only_its_own_contents_judge_a_backup_that_the_test_says_so_of() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("halves").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("halves");
    let what = Backup::of(&[&namespace]).without(&["deployments.apps"]);
    backup(&scene.client, &name, &what).await?;
    let of = |completeness: &str| {
        let source = json!({ "backupSource": { "completeness": completeness }, "healthChecks": { "checks": [get("/")] } });
        spec(&[&namespace], &name, source)
    };
    let whole = status(&run(&scene, &namespace, "source", of("Source")).await?);
    assert!(
        whole
            .findings
            .iter()
            .any(|f| f.object.as_deref() == Some("Deployment/web")),
        "{:?}",
        whole.findings
    );
    assert_ne!(whole.result, Some(RunResult::Pass));
    let own = status(&run(&scene, &namespace, "backup", of("Backup")).await?);
    assert_eq!(own.result, Some(RunResult::Pass), "{:?}", own.findings);
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn only_what_the_label_selector_selects_is_restored() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("select").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let label = ["label", "configmap/page", "tier=front", "-n", &namespace];
    scene.cluster.kubectl(&label)?;
    let name = unique("select");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let selected = json!({ "backupSource": { "labelSelector": { "tier": "front" } },
        "healthChecks": { "checks": [{ "name": "page", "type": "resourceExists", "timeout": "3s",
            "resourceExists": { "resources": [{ "kind": "ConfigMap", "name": "page" }] } }] } });
    let selected = status(
        &run(
            &scene,
            &namespace,
            "selected",
            spec(&[&namespace], &name, selected),
        )
        .await?,
    );
    assert_eq!(
        (selected.score, selected.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        selected.findings
    );
    let counts = selected.completeness.context("no counts")?;
    assert_eq!(counts.config_maps.as_deref(), Some("1/1"));
    assert_eq!(
        counts.deployments.as_deref(),
        Some("0/0"),
        "a Deployment came along"
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn reports_beyond_the_history_limit_go_and_the_newest_stay() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "history").await?;
    let short = json!({ "historyLimit": 1, "suspend": true });
    create_test(
        &scene.client,
        &namespace,
        "history",
        spec(&[&namespace], &name, short),
    )
    .await?;
    let mut names = Vec::new();
    for _ in 0..3 {
        let report = again(&scene, &namespace, "history", &names).await?;
        names.push(report.name_any());
    }
    let reports = Api::<RestoreReport>::namespaced(scene.client.clone(), &namespace);
    for older in &names[..2] {
        gone(reports.clone(), older).await?;
    }
    let last = &names[2];
    let previous = reports.get(last).await?.spec.previous;
    assert!(
        previous.is_some(),
        "it is compared with a report that is gone by now"
    );
    delete_backup(&scene.client, &name).await
}
