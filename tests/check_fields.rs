//! What a check says happens: its time, its tries, its container, its kinds.

mod story;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use kymaros_crds::{
    CheckResult, CheckStatus, HealthCheckPolicy, RestoreReportStatus, RestoreTest, RunPhase, RunResult,
    Trigger, names,
};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::{Value, json};
use story::{create_test, finished, phase, report_when, run, small, spec};

/// A pod of two containers. A page of the first one comes late, and the second one knows a word.
const TWO: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: two}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: mute}
spec:
  selector: {app: two}
  ports: [{port: 80, targetPort: 9}]
---
apiVersion: v1
kind: PodTemplate
metadata: {name: spare}
template:
  metadata: {labels: {app: spare}}
  spec:
    containers: [{name: c, image: 'kymaros.test/busybox:1'}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: two}
spec:
  selector: {matchLabels: {app: two}}
  template:
    metadata: {labels: {app: two}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: kymaros.test/busybox:1
          command:
            - sh
            - -c
            - mkdir -p /tmp/www; echo hello > /tmp/www/index.html;
              (sleep 40; echo here > /tmp/www/late) & exec httpd -f -p 8080 -h /tmp/www
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        - name: side
          image: kymaros.test/busybox:1
          env: [{name: WORD, value: sesame}]
          command: [sleep, '600']
";

fn exec(name: &str, command: &str, change: &Value) -> Value {
    let mut exec = json!({ "podSelector": { "app": "two" }, "command": ["sh", "-c", command] });
    for (key, value) in change.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    json!({ "name": name, "type": "exec", "exec": exec })
}

fn get(name: &str, path: &str, timeout: &str, retries: u32) -> Value {
    json!({ "name": name, "type": "httpGet", "httpGet": { "service": "web", "port": 80, "path": path,
        "expectedStatus": 200, "timeout": timeout, "retries": retries } })
}

fn exists(name: &str, kind: &str, object: &str) -> Value {
    json!({ "name": name, "type": "resourceExists",
        "resourceExists": { "timeout": "2s", "resources": [{ "kind": kind, "name": object }] } })
}

fn connect(name: &str, service: &str) -> Value {
    json!({ "name": name, "type": "tcpSocket",
        "tcpSocket": { "service": service, "port": 80, "timeout": "2s" } })
}

fn took(check: &CheckStatus) -> Result<Duration> {
    Ok(kymaros_crds::domain::duration::parse(&check.duration)?)
}

fn check<'a>(status: &'a RestoreReportStatus, name: &str) -> Result<&'a CheckStatus> {
    let found = status.checks.iter().find(|c| c.name == name);
    found.with_context(|| format!("no check {name}: {:?}", status.checks))
}

/// Each setting has a check that passes by it, and one that would pass with another value of it.
fn by_their_settings() -> Vec<(Value, bool)> {
    let pods = |name: &str, app: &str, least: u32| {
        json!({ "name": name, "type": "podStatus",
            "podStatus": { "labelSelector": { "app": app }, "minReady": least, "timeout": "2s" } })
    };
    let answers = |name: &str, path: &str, expected: u16| {
        let mut check = get(name, path, "2s", 3);
        check["httpGet"]["expectedStatus"] = expected.into();
        (check, expected == 404 && path == "/absent")
    };
    let nobody = json!({ "podSelector": { "app": "nobody" }, "timeout": "2s" });
    vec![
        (
            exec(
                "container",
                "echo $WORD",
                &json!({ "container": "side", "stdoutMatches": "^sesame$" }),
            ),
            true,
        ),
        (
            exec(
                "first container",
                "echo $WORD",
                &json!({ "stdoutMatches": "^sesame$" }),
            ),
            false,
        ),
        (
            exec("exit code", "exit 3", &json!({ "successExitCode": 3 })),
            true,
        ),
        (exec("exit code 0", "exit 3", &json!({})), false),
        (
            exec("no such container", "true", &json!({ "container": "none" })),
            false,
        ),
        (
            exec(
                "stdout",
                "echo 12 rows",
                &json!({ "stdoutMatches": r"^\d+ rows$" }),
            ),
            true,
        ),
        (
            exec(
                "other stdout",
                "echo no rows",
                &json!({ "stdoutMatches": r"^\d+ rows$" }),
            ),
            false,
        ),
        (
            exec(
                "more than is looked at",
                "echo first; head -c 300000 /dev/zero | tr '\\0' x",
                &json!({ "stdoutMatches": "^first", "timeout": "10s" }),
            ),
            true,
        ),
        (exec("timeout", "sleep 100", &json!({ "timeout": "1s" })), false),
        (get("tries", "/late", "1s", 60), true),
        (get("one try", "/late", "1s", 1), false),
        answers("no page", "/absent", 404),
        answers("a page", "/", 404),
        (pods("one pod", "two", 1), true),
        (pods("two pods", "two", 2), false),
        (pods("another pod", "nobody", 1), false),
        (exists("template", "PodTemplate", "spare"), true),
        (exists("no such template", "PodTemplate", "other"), false),
        (exists("no such kind", "Unheard", "of"), false),
        (connect("service that listens", "web"), true),
        (connect("mute service", "mute"), false),
        (connect("no such service", "nobody"), false),
        (exec("no pod", "true", &nobody), false),
    ]
}

#[tokio::test]
async fn every_setting_of_a_check_decides_how_it_ends() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("settings").await?;
    apply(&scene.client, &namespace, TWO).await?;
    wait_ready(&scene.client, &namespace, "app=two", 1).await?;
    let name = unique("settings");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let checks = by_their_settings();
    let listed: Vec<Value> = checks.iter().map(|(check, _)| check.clone()).collect();
    let report = run(
        &scene,
        &namespace,
        "settings",
        spec(
            &[&namespace],
            &name,
            json!({ "healthChecks": { "checks": listed } }),
        ),
    )
    .await?;
    let status = report.status.context("no status")?;
    for (wanted, passes) in &checks {
        let seen = check(&status, wanted["name"].as_str().unwrap_or_default())?;
        assert_eq!(seen.status == CheckResult::Pass, *passes, "{seen:?}");
    }
    for (name, says) in [
        ("no such kind", "no kind Unheard"),
        ("no such service", "service nobody does not exist"),
        ("no pod", "no pod matches app=nobody"),
        ("no such container", "has no container none"),
    ] {
        let seen = check(&status, name)?;
        assert!(seen.message.contains(says), "{seen:?}");
    }
    // What has a time of its own is over by then, whatever the others need; without one it would take longer.
    for name in [
        "timeout",
        "one try",
        "two pods",
        "mute service",
        "no such template",
    ] {
        let took = took(check(&status, name)?)?;
        assert!(took < Duration::from_secs(15), "{name} took {took:?}");
    }
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn all_checks_together_have_the_time_of_the_test() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "alltime").await?;
    let slow = json!({ "name": "slow", "type": "exec", "exec": { "podSelector": { "app": "small" },
        "command": ["sleep", "600"], "timeout": "10m" } });
    let change = json!({ "healthChecks": { "timeout": "8s", "settle": "0s", "checks": [slow] } });
    let report = run(&scene, &namespace, "alltime", spec(&[&namespace], &name, change)).await?;
    let status = report.status.context("no status")?;
    let slow = check(&status, "slow")?;
    assert_eq!(slow.status, CheckResult::Fail, "{slow:?}");
    let took = took(slow)?;
    assert!(took < Duration::from_mins(1), "it was given {took:?} of its 8 s");
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn an_edit_is_for_the_next_run() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "edited").await?;
    let page = |path: &str| {
        json!([{ "name": "page", "type": "httpGet",
            "httpGet": { "service": "web", "port": 80, "path": path, "expectedStatus": 200, "timeout": "2s" } }])
    };
    let before = json!({ "healthChecks": { "settle": "8s", "checks": page("/") } });
    create_test(
        &scene.client,
        &namespace,
        "edited",
        spec(&[&namespace], &name, before),
    )
    .await?;
    report_when(&scene.client, &namespace, "edited", "its start", |r| {
        phase(r) >= Some(RunPhase::Preparing)
    })
    .await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    let edit = json!({ "spec": { "sla": { "maxRTO": "1ms" }, "sandbox": { "retention": "UntilTTL" },
        "healthChecks": { "checks": page("/absent") } } });
    tests
        .patch("edited", &PatchParams::default(), &Patch::Merge(&edit))
        .await?;
    let report = finished(&scene.client, &namespace, "edited").await?;
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    assert!(
        status
            .sandboxes
            .iter()
            .all(|s| s.state.as_deref() == Some("Removed")),
        "{:?}",
        status.sandboxes
    );
    delete_backup(&scene.client, &name).await
}

/// The checks of a report, by their names.
fn made(status: Option<RestoreReportStatus>) -> Vec<(String, CheckResult)> {
    let checks = status.unwrap_or_default().checks.into_iter();
    let mut made: Vec<_> = checks.map(|check| (check.name, check.status)).collect();
    made.sort_by(|one, other| one.0.cmp(&other.0));
    made
}

#[tokio::test]
async fn checks_of_a_policy_are_made_as_it_was_when_the_run_began() -> Result<()> {
    let mut scene = Scene::new().await?;
    // It is known long before the test that names it.
    let home = scene.namespace("policy-home").await?;
    let policies = Api::<HealthCheckPolicy>::namespaced(scene.client.clone(), &home);
    let here = |name: &str| get(name, "/", "5s", 3);
    let absent = |name: &str| get(name, "/absent", "1s", 1);
    let policy: HealthCheckPolicy = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy", "metadata": { "name": "pages" },
        "spec": { "checks": [here("passes"), absent("fails"), absent("own")] },
    }))?;
    policies.create(&PostParams::default(), &policy).await?;
    let (namespace, name) = small(&mut scene, "policy").await?;
    // The one of the policy with the name of the test's own would fail.
    let named = json!({ "healthChecks": { "policyRef": "pages", "settle": "8s", "checks": [here("own")] } });
    create_test(&scene.client, &home, "policy", spec(&[&namespace], &name, named)).await?;
    report_when(&scene.client, &home, "policy", "its start", |r| {
        phase(r) >= Some(RunPhase::Preparing)
    })
    .await?;
    let edit = json!({ "spec": { "checks": [absent("passes"), here("new")] } });
    policies
        .patch("pages", &PatchParams::default(), &Patch::Merge(&edit))
        .await?;
    let (pass, fail) = (CheckResult::Pass, CheckResult::Fail);
    let first = finished(&scene.client, &home, "policy").await?;
    assert_eq!(
        made(first.status),
        [("fails", fail), ("own", pass), ("passes", pass)].map(|(name, result)| (name.to_owned(), result))
    );

    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &home);
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
    tests
        .patch("policy", &PatchParams::default(), &Patch::Merge(&trigger))
        .await?;
    let second = report_when(&scene.client, &home, "policy", "the end of its next run", |r| {
        r.spec.trigger == Some(Trigger::Annotation) && phase(r) == Some(RunPhase::Completed)
    })
    .await?;
    assert_eq!(
        made(second.status),
        [("new", pass), ("own", pass), ("passes", fail)].map(|(name, result)| (name.to_owned(), result))
    );
    delete_backup(&scene.client, &name).await
}
