//! What a spec says happens: one story for each field that no other test depends on.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{
    ContainerLogType, FindingLevel, RestoreReport, RestoreReportStatus, RestoreTest, RunResult, Severity,
    domain::duration,
};
use kymaros_testbed::scene::{Backup, Scene, VELERO, apply, backup, delete_backup, unique, wait_ready};
use serde_json::{Value, json};
use story::{SMALL, again, create_test, gone, run, small, spec};

fn get(path: &str) -> Value {
    json!({ "name": "page", "type": "httpGet", "httpGet": {
        "service": "web", "port": 80, "path": path, "expectedStatus": 200, "timeout": "3s" } })
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

/// Passes so many seconds after it was first tried.
fn late(seconds: u64) -> Value {
    let script = format!(
        "[ -e /tmp/tried ] || date +%s > /tmp/tried; [ $(($(date +%s) - $(cat /tmp/tried))) -ge {seconds} ]"
    );
    json!({ "name": "late", "type": "exec", "exec": { "podSelector": { "app": "small" },
        "command": ["sh", "-c", script], "timeout": format!("{}s", seconds + 60) } })
}

/// A report says that this is worse than in the run before it, in its findings, by itself, and in its condition; and that
/// nothing else is.
fn assert_worse(report: &RestoreReport, worse: &[String]) -> Result<()> {
    let status = status(report);
    let found = status.findings.iter().filter(|f| f.reason == "Regressed");
    let found: Vec<(FindingLevel, Severity, &str)> =
        found.map(|f| (f.level, f.severity, f.message.as_str())).collect();
    let wanted = worse
        .iter()
        .map(|w| (FindingLevel::Run, Severity::Warning, w.as_str()));
    assert_eq!(found, wanted.collect::<Vec<_>>(), "{:?}", status.findings);
    assert_eq!(status.regressions, worse);
    let previous = report.spec.previous.as_ref().context("compared with nothing")?;
    let said = status.conditions.iter().find(|c| c.type_ == "Regressed");
    let said = said.map(|c| (c.status.as_str(), c.reason.as_str(), c.message.clone()));
    let meant = if worse.is_empty() {
        ("False", "AsBefore", format!("not worse than {}", previous.report))
    } else {
        ("True", "Worse", worse.join("; "))
    };
    assert_eq!(said, Some(meant));
    Ok(())
}

/// The test says of its latest run what that says.
async fn says_of_its_run(tests: &Api<RestoreTest>, test: &str, worse: &str) -> Result<()> {
    let told = await_condition(tests.clone(), test, |t: Option<&RestoreTest>| {
        let conditions = t.and_then(|t| t.status.as_ref()).map(|s| &s.conditions);
        conditions.is_some_and(|c| {
            let says = |c: &Condition| c.type_ == "Regressed" && c.status == "True" && c.message == worse;
            c.iter().any(says) && !c.iter().any(|c| c.type_ == "RTOExceeded")
        })
    });
    tokio::time::timeout(std::time::Duration::from_mins(1), told)
        .await
        .context("the test does not say what its run says")??;
    Ok(())
}

#[tokio::test]
async fn a_missed_recovery_time_is_said_to_whoever_asked_and_so_is_what_got_worse() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("worse").await?;
    // What takes less than a second may be no time at all to Velero and the kubelet, whose clocks have whole seconds.
    let probe = "readinessProbe:\n";
    let slow = SMALL.replace(probe, &format!("{probe}            initialDelaySeconds: 2\n"));
    apply(&client, &namespace, &slow).await?;
    wait_ready(&client, &namespace, "app=small", 1).await?;
    let name = unique("worse");
    backup(&client, &name, &Backup::of(&[&namespace])).await?;
    let agreed = json!({ "sla": { "maxRTO": "1ms", "alertOnExceed": true }, "healthChecks": { "checks": [get("/")] } });
    let first = run(&scene, &namespace, "worse", spec(&[&namespace], &name, agreed)).await?;
    assert_eq!(status(&first).score, Some(95), "{:?}", status(&first).findings);
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
    let events = Api::<Event>::namespaced(client.clone(), &namespace);
    let said = await_event(&events, "more than the agreed 1ms").await?;
    assert_eq!(said.type_.as_deref(), Some("Warning"));
    gets_worse(&scene, &namespace, &first).await?;
    delete_backup(&client, &name).await
}

/// The time it takes, then a check, then nothing more. Edits take effect at once: each run is judged by them, and compared
/// with the one before it.
async fn gets_worse(scene: &Scene, namespace: &str, first: &RestoreReport) -> Result<()> {
    let client = &scene.client;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    let check = async |checks: Value| {
        let edit = json!({ "spec": { "sla": null, "healthChecks": { "checks": checks } } });
        tests
            .patch("worse", &PatchParams::default(), &Patch::Merge(&edit))
            .await
    };
    let recovery = |report: &RestoreReport| {
        let rto = status(report).rto.context("no recovery time")?;
        anyhow::Ok(rto.measured)
    };
    let mut names = vec![first.name_any()];

    // However fast this machine is at the time, this is more than half as long again.
    let slower = duration::parse(&recovery(first)?)?.mul_f64(1.5).as_secs() + 6;
    check(json!([get("/"), late(slower)])).await?;
    let slower = again(client, namespace, "worse", &names).await?;
    assert_eq!(status(&slower).score, Some(100), "{:?}", status(&slower).findings);
    let took = format!(
        "recovery took {}, more than half as long again as {} in {}",
        recovery(&slower)?,
        recovery(first)?,
        names[0]
    );
    assert_worse(&slower, &[took])?;
    names.push(slower.name_any());

    check(json!([get("/absent")])).await?;
    let broken = again(client, namespace, "worse", &names).await?;
    let fell = format!("the score fell from 100 to 80 since {}", names[1]);
    let lost = format!("internalHealth had full marks in {} and has lost them", names[1]);
    let worse = [fell, lost];
    assert_worse(&broken, &worse)?;
    says_of_its_run(&tests, "worse", &worse.join("; ")).await?;
    names.push(broken.name_any());

    let same = again(client, namespace, "worse", &names).await?;
    assert_eq!(same.spec.previous.as_ref().map(|p| &p.report), names.last());
    assert_worse(&same, &[])
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
        "volumes": [{ "name": "kept", "emptyDir": {} }],
        "containers": [{ "name": "web", "volumeMounts": [{ "name": "kept", "mountPath": "/kept" }], "command": ["sh", "-c",
            "[ -e /kept/tried ] || { touch /kept/tried; echo first try; exit 1; }; \
             for i in $(seq 40); do echo line $i; done; exec httpd -f -p 8080 -h /www"] }] } } } });
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
    // What says that it was tried must not come back.
    let what = Backup::of(&[&namespace]).without_volume_data();
    backup(&scene.client, &name, &what).await?;
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
    let previous = logs.iter().find(|l| l.type_ == ContainerLogType::Previous);
    assert_eq!(previous.map(|l| l.log.as_str()), Some("first try"));
    assert!(!status(&all).events.is_empty());

    let less =
        json!({ "enabled": true, "includeInit": false, "includePrevious": false, "includeEvents": false });
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
        "healthChecks": { "checks": [{ "name": "page", "type": "resourceExists",
            "resourceExists": { "timeout": "3s", "resources": [{ "kind": "ConfigMap", "name": "page" }] } }] } });
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
        let report = again(&scene.client, &namespace, "history", &names).await?;
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

#[tokio::test]
async fn the_newest_backup_of_a_schedule_is_restored() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, older) = small(&mut scene, "nightly").await?;
    let schedule = unique("nightly");
    let label = format!("velero.io/schedule-name={schedule}");
    let of_schedule = |backup: &str| {
        scene
            .cluster
            .kubectl(&["label", "backups.velero.io", backup, &label, "-n", VELERO])
    };
    let (newer, other) = (unique("newer"), unique("other"));
    for name in [&newer, &other] {
        backup(&scene.client, name, &Backup::of(&[&namespace])).await?;
    }
    of_schedule(&older)?;
    of_schedule(&newer)?;
    let newest = json!({ "backupSource": { "backupName": null, "scheduleName": schedule } });
    let report = run(&scene, &namespace, "nightly", spec(&[&namespace], "", newest)).await?;
    let status = status(&report);
    let source = status.source.context("no source")?;
    assert_eq!(source.name, newer, "{source:?}");
    assert_eq!(source.schedule.as_deref(), Some(schedule.as_str()));
    assert_eq!(
        status.result,
        Some(RunResult::Partial),
        "it has no checks: {:?}",
        status.findings
    );
    for name in [older, newer, other] {
        delete_backup(&scene.client, &name).await?;
    }
    Ok(())
}
