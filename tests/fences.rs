//! Production is never touched: what comes back is tamed, and what cannot be restored says so.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    batch::v1::CronJob,
    core::v1::{Namespace, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use kymaros_crds::{Cause, RestoreTest, RunResult};
use kymaros_testbed::{
    places,
    scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready},
};
use serde_json::json;
use story::{SMALL, gone, leftovers, run, spec};

/// Things that reach out of a namespace.
const REACHING: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: mailer}
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: mail, image: 'kymaros.test/busybox:1', command: ['true']}]
---
apiVersion: v1
kind: Pod
metadata:
  name: worker
  labels: {batch.kubernetes.io/job-name: nightly}
spec:
  containers: [{name: work, image: 'kymaros.test/busybox:1', command: [sleep, '600']}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  type: LoadBalancer
  selector: {app: small}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open-to-all}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
  egress: [{}]
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: guarded
  finalizers: [example.com/cloud-identity]
";

#[tokio::test]
async fn what_reaches_out_is_tamed_and_a_foreign_finalizer_keeps_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("reach").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    apply(&scene.client, &namespace, REACHING).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("reach");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    // Else the source could not be removed at the end.
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), &namespace);
    let free = json!({ "metadata": { "finalizers": null } });
    accounts
        .patch("guarded", &PatchParams::default(), &Patch::Merge(&free))
        .await?;

    let kept = spec(
        &[&namespace],
        &name,
        json!({ "sandbox": { "retention": "UntilTTL", "ttl": "3m" } }),
    );
    let report = run(&scene, &namespace, "reach", kept).await?;
    let sandbox = report
        .status
        .clone()
        .context("no status")?
        .sandboxes
        .first()
        .context("no sandbox")?
        .name
        .clone();
    let cron = Api::<CronJob>::namespaced(scene.client.clone(), &sandbox)
        .get("mailer")
        .await?;
    assert_eq!(
        cron.spec.and_then(|s| s.suspend),
        Some(true),
        "a restored CronJob runs"
    );
    let pods = Api::<Pod>::namespaced(scene.client.clone(), &sandbox);
    assert!(
        pods.get_opt("worker").await?.is_none(),
        "the pod of a Job does its work again"
    );
    let service = Api::<Service>::namespaced(scene.client.clone(), &sandbox)
        .get("front")
        .await?;
    assert_eq!(
        service.spec.and_then(|s| s.type_).as_deref(),
        Some("ClusterIP"),
        "a restored Service asks for a load balancer"
    );
    let policies = Api::<NetworkPolicy>::namespaced(scene.client.clone(), &sandbox)
        .list(&ListParams::default())
        .await?;
    let names: Vec<_> = policies.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["deny-all"], "a restored policy opens the sandbox");
    let guarded = Api::<ServiceAccount>::namespaced(scene.client.clone(), &sandbox)
        .get("guarded")
        .await?;
    assert!(
        !guarded.finalizers().is_empty(),
        "the finalizer came back, or this test proves nothing"
    );

    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    tests.delete("reach", &DeleteParams::default()).await?;
    gone(Api::<Namespace>::all(scene.client.clone()), &sandbox).await?;
    gone(tests, "reach").await?;
    assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_never_taken_for_a_sandbox() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("taken").await?;
    let precious = scene.namespace("precious").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    apply(&scene.client, &precious, SMALL).await?;
    wait_ready(&scene.client, &precious, "app=small", 1).await?;
    let name = unique("taken");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let mut wrong = spec(&[&namespace], &name, json!({}));
    wrong["backupSource"]["namespaces"] = json!([{ "name": namespace, "sandboxName": precious }]);
    let report = run(&scene, &namespace, "taken", wrong).await?;
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Inconclusive), Some(Cause::Sandbox))
    );
    assert!(
        status
            .message
            .context("no message")?
            .contains("is not a sandbox of this run")
    );
    wait_ready(&scene.client, &precious, "app=small", 1).await?;
    let still = Api::<Namespace>::all(scene.client.clone()).get(&precious).await?;
    assert!(
        still.metadata.deletion_timestamp.is_none(),
        "somebody else's namespace was removed"
    );
    assert!(
        !still.labels().contains_key("kymaros.io/run-uid"),
        "somebody else's namespace was labelled"
    );
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn an_archive_that_is_cut_off_fails_with_the_backup_to_blame() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("cut").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("cut");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    // The S3 server keeps objects as files.
    let archive = places::state(&format!("s3/velero/backups/{name}/{name}.tar.gz"));
    let whole = std::fs::read(&archive).with_context(|| format!("reading {}", archive.display()))?;
    std::fs::write(&archive, &whole[..whole.len() / 2])?;
    let report = run(&scene, &namespace, "cut", spec(&[&namespace], &name, json!({}))).await?;
    let status = report.status.context("no status")?;
    assert_eq!(
        (status.result, status.cause),
        (Some(RunResult::Fail), Some(Cause::Backup)),
        "{:?}",
        status.findings
    );
    assert!(status.score.context("no score")? < 70);
    delete_backup(&scene.client, &name).await
}
