//! The command line against a real cluster, with the rights of whoever asks.

mod story;

use std::process::{Command, Output};

use anyhow::Result;
use kymaros_crds::RestoreReport;
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::json;
use story::{SMALL, create_test, report_when, run, spec};

/// Whether it succeeded, and what it wrote.
fn kymaros(scene: &Scene, args: &[&str]) -> Result<(bool, String)> {
    let output = called(scene, env!("CARGO_BIN_EXE_kymaros"), args)?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

fn called(scene: &Scene, program: &str, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).env("KUBECONFIG", &scene.cluster.kubeconfig);
    Ok(command.output()?)
}

const MORE: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: mailer}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: 'kymaros.test/busybox:1', command: ['true']}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: left-out}
";

#[tokio::test]
async fn a_plan_says_what_a_run_would_do_and_does_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("plan").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    apply(&scene.client, &namespace, MORE).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("plan");
    backup(
        &scene.client,
        &name,
        &Backup::of(&[&namespace]).without(&["serviceaccounts"]),
    )
    .await?;
    let suspended = spec(&[&namespace], &name, json!({ "suspend": true }));
    create_test(&scene.client, &namespace, "plan", suspended).await?;
    let (good, text) = kymaros(&scene, &["plan", "plan", "-n", &namespace])?;
    assert!(good, "{text}");
    for part in [
        format!("backup {name}"),
        "batch/v1/CronJob".to_owned(),
        "suspended".to_owned(),
        "would open the sandbox".to_owned(),
        "ServiceAccount/left-out: the source had it, the backup does not".to_owned(),
    ] {
        assert!(text.contains(&part), "no {part} in {text}");
    }
    let (good, machine) = kymaros(&scene, &["plan", "plan", "-n", &namespace, "-o", "json"])?;
    let machine: serde_json::Value = serde_json::from_str(&machine)?;
    assert!(good && machine[0]["objects"].is_array(), "{machine}");
    let reports = scene
        .cluster
        .kubectl(&["get", "restorereports", "-n", &namespace, "-o", "name"])?;
    assert_eq!(reports.trim(), "", "it ran");
    let (good, text) = kymaros(&scene, &["plan", "other", "-n", &namespace])?;
    assert!(!good && text.contains("there is no RestoreTest other"), "{text}");
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_report_is_shown_and_holds_its_plan() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("shown").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("shown");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let report = run(&scene, &namespace, "shown", spec(&[&namespace], &name, json!({}))).await?;
    let plan = &report.status.as_ref().map(|s| s.plan.clone()).unwrap_or_default();
    assert!(
        plan.iter()
            .any(|p| p.kind == "apps/v1/Deployment" && p.objects == 1),
        "{plan:?}"
    );
    let run = report.metadata.name.clone().unwrap_or_default();
    let (good, text) = kymaros(&scene, &["report", &run, "-n", &namespace])?;
    assert!(good && text.contains("nothing of this run is left"), "{text}");
    for step in ["scheduling", "image", "start", "first ready"] {
        let is_told = |line: &str| {
            line.trim_start()
                .strip_prefix(step)
                .is_some_and(|rest| rest.starts_with("  "))
        };
        assert!(text.lines().any(is_told), "no {step} in {text}");
    }
    let (good, of_test) = kymaros(&scene, &["report", "shown", "-n", &namespace])?;
    assert!(good && of_test.contains(&text), "{of_test}");
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_run_is_followed_and_its_code_says_the_result() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = story::small(&mut scene, "followed").await?;
    // Long enough that nobody can miss a phase, on a slow machine either: it counts from when the pod got ready, which may
    // be seen late.
    let slow = json!({ "suspend": true, "healthChecks": { "settle": "10s" } });
    let quiet = |backup: &str| spec(&[&namespace], backup, slow.clone());
    create_test(&scene.client, &namespace, "good", quiet(&name)).await?;
    create_test(&scene.client, &namespace, "bad", quiet("never-taken")).await?;
    let program = env!("CARGO_BIN_EXE_kymaros");
    let output = called(&scene, program, &["run", "good", "-n", &namespace, "-o", "json"])?;
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    // Without checks there are no points for them.
    assert_eq!(output.status.code(), Some(3), "{progress}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (&report["status"]["result"], &report["status"]["phase"]),
        (&json!("partial"), &json!("Completed"))
    );
    for phase in ["Restoring", "Checking", "Judged", "CleaningUp", "Completed"] {
        assert!(progress.contains(phase), "no {phase} in {progress}");
    }
    assert!(
        !progress.contains('\u{1b}'),
        "colours without a terminal: {progress}"
    );
    let output = called(&scene, program, &["run", "bad", "-n", &namespace])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("backup never-taken does not exist"), "{text}");
    let output = called(&scene, program, &["run", "other", "-n", &namespace])?;
    assert_eq!(output.status.code(), Some(1));
    let output = called(&scene, program, &["run"])?;
    assert_eq!(output.status.code(), Some(2));

    let run = report["metadata"]["name"].as_str().unwrap_or_default();
    let (good, markdown) = kymaros(&scene, &["report", run, "-n", &namespace, "-o", "markdown"])?;
    assert!(
        good && markdown.starts_with("# Restore test good: PARTIAL, "),
        "{markdown}"
    );
    let (good, list) = kymaros(&scene, &["tests", "-n", &namespace])?;
    assert!(
        good && list.lines().count() == 3 && list.contains("suspended"),
        "{list}"
    );
    let (good, covered) = kymaros(&scene, &["coverage", "-o", "json"])?;
    let covered: serde_json::Value = serde_json::from_str(&covered)?;
    let ours = covered["namespaces"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["namespace"] == json!(namespace)));
    let ours = ours.cloned().unwrap_or_default();
    assert!(
        good && ours["standing"] == "failing" && ours["backup"] == json!(name),
        "{ours}"
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_run_in_the_way_of_another_is_named_and_its_cleanup_is_waited_for() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = story::small(&mut scene, "again").await?;
    let test = spec(&[&namespace], &name, json!({}));
    create_test(&scene.client, &namespace, "again", test).await?;
    let program = env!("CARGO_BIN_EXE_kymaros");
    let ask = || called(&scene, program, &["run", "again", "-n", &namespace]);
    report_when(&scene.client, &namespace, "again", "a run", |_| true).await?;
    let refused = ask()?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("of this test goes on"), "{why}");
    let judged = |report: &RestoreReport| report.status.as_ref().is_some_and(|s| s.result.is_some());
    report_when(&scene.client, &namespace, "again", "a verdict", judged).await?;
    let followed = ask()?;
    let progress = String::from_utf8_lossy(&followed.stderr).into_owned();
    // Without checks there are no points for them.
    assert_eq!(followed.status.code(), Some(3), "{progress}");
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn it_is_a_plugin_of_kubectl() -> Result<()> {
    let scene = Scene::new().await?;
    let folder = tempfile::tempdir()?;
    let plugin = folder.path().join("kubectl-kymaros");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kymaros"), &plugin)?;
    let own = std::env::var("PATH")?;
    let path = format!("{}:{own}", folder.path().display());
    let output = Command::new(scene.cluster.bin_dir.join("kubectl"))
        .args(["kymaros", "tests", "-n", "nowhere"])
        .env("KUBECONFIG", &scene.cluster.kubeconfig)
        .env("PATH", path)
        .output()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
