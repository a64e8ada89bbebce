//! The command line against a real cluster, with the rights of whoever asks.

mod story;

use std::process::Command;

use anyhow::Result;
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::json;
use story::{SMALL, create_test, run, spec};

/// Whether it succeeded, and what it wrote.
fn kymaros(scene: &Scene, args: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_kymaros"))
        .args(args)
        .env("KUBECONFIG", &scene.cluster.kubeconfig)
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
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
    for step in ["scheduling", "image and start", "first ready"] {
        assert!(text.contains(step), "no {step} in {text}");
    }
    delete_backup(&scene.client, &name).await
}
