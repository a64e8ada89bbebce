//! Storage of production never comes into a sandbox, in whatever way a workload is bound to it.

mod story;

use std::{fmt::Write as _, process::Command};

use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::PersistentVolume};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use kymaros_crds::{Cause, PlanAction, RestoreTest, RunPhase, RunResult};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::json;
use story::{SMALL, create_test, gone, leftovers, phase, report_when, run, small, spec};

/// A workload with a volume written into its pods; it sleeps, for the volume need not be there.
fn bound_to(name: &str, volume: &str) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: c, image: 'kymaros.test/busybox:1', command: [sleep, '600']}}]
      volumes: [{{name: data, {volume}}}]
"
    )
}

#[tokio::test]
async fn volumes_written_into_pods_do_not_come_back() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("inline").await?;
    let bound = [
        ("on-host", "hostPath: {path: /var/lib/shop}"),
        ("on-share", "nfs: {server: files.invalid, path: /exports/shop}"),
        (
            "on-driver",
            "csi: {driver: smb.csi.k8s.io, volumeAttributes: {source: //files.invalid/shop}}",
        ),
    ];
    let all = bound.iter().map(|(name, volume)| bound_to(name, volume));
    apply(
        &scene.client,
        &namespace,
        &format!("{SMALL}{}", all.collect::<String>()),
    )
    .await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("inline");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let kept = json!({ "sandbox": { "retention": "UntilTTL", "ttl": "2m" }, "timeout": "2m" });
    let report = run(&scene, &namespace, "inline", spec(&[&namespace], &name, kept)).await?;
    let status = report.status.clone().context("no status")?;
    let sandbox = &status.sandboxes.first().context("no sandbox")?.name;
    let there = Api::<Deployment>::namespaced(scene.client.clone(), sandbox);
    let there: Vec<String> = there
        .list(&ListParams::default())
        .await?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(there, ["web"], "storage of production is mounted in a sandbox");
    for (workload, _) in bound {
        let says_why = |f: &kymaros_crds::Finding| {
            let text = format!("{} {}", f.object.as_deref().unwrap_or_default(), f.message);
            text.contains(workload) && text.contains("production's own storage")
        };
        assert!(
            status.findings.iter().any(says_why),
            "nothing says why {workload} is not there: {:?}",
            status.findings
        );
    }
    let blames = status.findings.iter().any(|f| f.cause == Cause::Backup);
    assert!(!blames, "the backup is accused: {:?}", status.findings);
    assert_eq!(status.result, Some(RunResult::Inconclusive));
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn volumes_that_were_made_by_hand_are_refused_before_anything_is_restored() -> Result<()> {
    let mut scene = Scene::new().await?;
    for (kind, source) in [
        ("host", "hostPath: {path: /var/lib/shop}"),
        ("share", "nfs: {server: files.invalid, path: /shop}"),
        (
            "disk",
            "local: {path: /mnt/shop}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: none, operator: Exists}]}]}}",
        ),
    ] {
        let namespace = scene.namespace(kind).await?;
        let mut manifest = SMALL.to_owned();
        write!(
            manifest,
            "---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {namespace}}}
spec:
  capacity: {{storage: 16Mi}}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: by-hand
  claimRef: {{namespace: {namespace}, name: files}}
  {source}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: files}}
spec: {{storageClassName: by-hand, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 16Mi}}}}}}
"
        )?;
        apply(&scene.client, &namespace, &manifest).await?;
        wait_ready(&scene.client, &namespace, "app=small", 1).await?;
        let bound = [
            "wait",
            "pvc/files",
            "--for=jsonpath={.status.phase}=Bound",
            "--timeout=60s",
            "-n",
            &namespace,
        ];
        scene.cluster.kubectl(&bound)?;
        let name = unique(kind);
        backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
        let report = run(&scene, &namespace, kind, spec(&[&namespace], &name, json!({}))).await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(status.restores, [], "{kind}: something was restored");
        let message = status.message.unwrap_or_default();
        assert!(
            status.result == Some(RunResult::Fail) && message.contains("production volume"),
            "{kind}: {:?} {:?} {message}",
            status.result,
            status.reason
        );
        let refused = status.plan.iter().find(|p| p.action == PlanAction::Refused);
        let why = refused.and_then(|p| p.reason.clone()).unwrap_or_default();
        assert!(
            why.contains("files would come back on production's own volume"),
            "{kind}: {why}"
        );
        let planned = Command::new(env!("CARGO_BIN_EXE_kymaros"))
            .args(["plan", kind, "-n", &namespace])
            .env("KUBECONFIG", &scene.cluster.kubeconfig)
            .output()?;
        let said = String::from_utf8_lossy(&planned.stderr);
        assert!(!planned.status.success() && said.contains(&why), "{kind}: {said}");
        assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
        let volumes = Api::<PersistentVolume>::all(scene.client.clone());
        volumes.delete(&namespace, &DeleteParams::default()).await?;
        delete_backup(&scene.client, &name).await?;
    }
    Ok(())
}

/// A volume at a driver, as Velero would make it for a restore.
fn at_driver(name: &str, restore: &str, handle: &str) -> Result<PersistentVolume> {
    Ok(serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "velero.io/restore-name": restore } },
        "spec": { "capacity": { "storage": "16Mi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                  "persistentVolumeReclaimPolicy": "Retain", "csi": { "driver": "disk.example.com", "volumeHandle": handle } },
    }))?)
}

#[tokio::test]
async fn a_volume_that_is_restored_onto_a_disk_in_use_is_refused() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, backup) = small(&mut scene, "handle").await?;
    let volumes = Api::<PersistentVolume>::all(scene.client.clone());
    let (theirs, copy) = (unique("theirs"), unique("copy"));
    volumes
        .create(&PostParams::default(), &at_driver(&theirs, "friday", &theirs)?)
        .await?;
    let long = json!({ "healthChecks": { "settle": "5m" }, "timeout": "9m" });
    create_test(
        &scene.client,
        &namespace,
        "handle",
        spec(&[&namespace], &backup, long),
    )
    .await?;
    let report = report_when(
        &scene.client,
        &namespace,
        "handle",
        "a sandbox that starts",
        |report| phase(report) == Some(RunPhase::Starting),
    )
    .await?;
    let restores = report.status.context("no status")?.restores;
    let restore = &restores.first().context("no Restore")?.name;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let refused = volumes.create(&dry, &at_driver(&copy, restore, &theirs)?).await;
    let refused = refused
        .err()
        .context("it would be kept on the disk of production")?;
    let says = format!("in the same place as volume {theirs}");
    assert!(refused.to_string().contains(&says), "{refused}");
    volumes
        .create(&dry, &at_driver(&copy, restore, &copy)?)
        .await
        .context("a disk of its own")?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    tests.delete("handle", &DeleteParams::default()).await?;
    gone(tests, "handle").await?;
    volumes.delete(&theirs, &DeleteParams::default()).await?;
    delete_backup(&scene.client, &backup).await
}
