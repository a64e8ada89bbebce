//! What can happen to a run from outside: it ends, says why, accuses nobody who is innocent, and leaves nothing.

mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use kymaros_crds::{Cause, Finding, RestoreReport, RestoreReportStatus, RunPhase, RunResult};
use kymaros_testbed::{
    cluster::Cluster,
    scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready},
};
use serde_json::json;
use story::{create_test, duration, finished, gone, leftovers, phase, removal, report_when, small, spec};

/// A run of a small application that goes on checking until something happens to it.
async fn checking(scene: &mut Scene, stem: &str) -> Result<(String, String, RestoreReport)> {
    let (namespace, name) = small(scene, stem).await?;
    let long = json!({ "healthChecks": { "settle": "3m", "timeout": "4m" } });
    create_test(&scene.client, &namespace, stem, spec(&[&namespace], &name, long)).await?;
    let report = report_when(&scene.client, &namespace, stem, "checks", |r| {
        phase(r) == Some(RunPhase::Checking)
    })
    .await?;
    Ok((namespace, name, report))
}

async fn ended(client: &Client, namespace: &str, test: &str) -> Result<RestoreReportStatus> {
    let report = finished(client, namespace, test).await?;
    assert_eq!(leftovers(client, &report).await?, Vec::<String>::new());
    report.status.context("no status")
}

/// What another product holds in a sandbox. A test that fails lets go of it: nobody else would, and what stays is in the
/// way of the tests after it.
struct Held {
    cluster: Cluster,
    sandbox: String,
}

impl Held {
    async fn by_another_product(scene: &Scene, sandbox: &str) -> Result<Self> {
        let (cluster, sandbox) = (scene.cluster.clone(), sandbox.to_owned());
        let held = json!({ "metadata": { "finalizers": ["example.com/cloud"] } });
        Api::<ConfigMap>::namespaced(scene.client.clone(), &sandbox)
            .patch("page", &PatchParams::default(), &Patch::Merge(&held))
            .await?;
        Ok(Self { cluster, sandbox })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let free = r#"--patch={"metadata":{"finalizers":null}}"#;
        let patch = [
            "patch",
            "configmap/page",
            "--type=merge",
            free,
            "--namespace",
            &self.sandbox,
        ];
        // It is gone already when the test did not fail.
        let _ = self.cluster.kubectl(&patch);
    }
}

#[tokio::test]
async fn a_ttl_that_passes_ends_the_run_and_its_sandbox() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "ttl").await?;
    let short = json!({ "sandbox": { "ttl": "90s" }, "timeout": "90s", "healthChecks": { "settle": "8m", "timeout": "9m" } });
    create_test(
        &scene.client,
        &namespace,
        "ttl",
        spec(&[&namespace], &name, short),
    )
    .await?;
    report_when(&scene.client, &namespace, "ttl", "checks", |r| {
        phase(r) == Some(RunPhase::Checking)
    })
    .await?;
    let status = ended(&scene.client, &namespace, "ttl").await?;
    assert_eq!(
        (status.result, status.reason.as_deref()),
        (Some(RunResult::Fail), Some("SandboxExpired")),
        "{:?}",
        status.findings
    );
    let took = duration(&status)?.as_secs();
    assert!((90..180).contains(&took), "it ended after {took} s");
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_sandbox_that_somebody_deletes_is_no_failed_backup() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name, report) = checking(&mut scene, "nosandbox").await?;
    let sandboxes = report.status.context("no status")?.sandboxes;
    let sandbox = &sandboxes.first().context("no sandbox")?.name;
    // And some other product holds something in it, which nobody would ever let go.
    let _held = Held::by_another_product(&scene, sandbox).await?;
    let namespaces = Api::<Namespace>::all(scene.client.clone());
    namespaces.delete(sandbox, &DeleteParams::background()).await?;
    let begun = Instant::now();
    let status = ended(&scene.client, &namespace, "nosandbox").await?;
    assert_eq!(
        (status.result, status.cause, status.reason.as_deref()),
        (
            Some(RunResult::Inconclusive),
            Some(Cause::Sandbox),
            Some("SandboxDeleted")
        ),
        "{:?}",
        status.findings
    );
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
    let named = |f: &Finding| f.message.contains("ConfigMap/page (example.com/cloud)");
    assert!(status.findings.iter().any(named), "{:?}", status.findings);
    delete_backup(&scene.client, &name).await
}

/// An application with a volume whose copies never get ready: only its source has the seed.
fn never_ready() -> String {
    const DATA: &str = include_str!("verdicts/apps/data.yaml");
    let probe = "readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}";
    let seeded = r#"readinessProbe: {exec: {command: [sh, -c, '[ -n "$SEED" ]']}, periodSeconds: 1}"#;
    let changed = DATA.replace(probe, seeded);
    assert_ne!(changed, DATA, "it has another probe by now");
    changed
}

/// The report of a run whose workloads start, and go on starting.
async fn starting(client: &Client, namespace: &str, backup: &str, test: &str) -> Result<RestoreReport> {
    let long = json!({ "healthChecks": { "timeout": "4m" } });
    create_test(client, namespace, test, spec(&[namespace], backup, long)).await?;
    let starts = |r: &RestoreReport| phase(r) == Some(RunPhase::Starting);
    let report = report_when(client, namespace, test, "its start", starts).await?;
    let there = leftovers(client, &report).await?;
    for kind in ["Namespace/", "Restore/", "PersistentVolume/"] {
        let is_there = there.iter().any(|object| object.starts_with(kind));
        assert!(is_there, "nothing that could be left: {there:?}");
    }
    Ok(report)
}

#[tokio::test]
async fn what_somebody_deletes_while_workloads_start_leaves_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let namespace = scene.namespace("starting").await?;
    apply(&client, &namespace, &never_ready()).await?;
    wait_ready(&client, &namespace, "app=data", 1).await?;
    let name = unique("starting");
    backup(&client, &name, &Backup::of(&[&namespace])).await?;
    let sandbox = async {
        let report = starting(&client, &namespace, &name, "sandbox").await?;
        removal::sandbox_goes(&client, &report).await?;
        ended(&client, &namespace, "sandbox").await.map(drop)
    };
    let test = async {
        let report = starting(&client, &namespace, &name, "test").await?;
        removal::test_goes(&client, &report).await
    };
    tokio::try_join!(sandbox, test)?;
    delete_backup(&client, &name).await
}

/// A finalizer on the namespace itself, as Rancher puts one on each. A test that fails takes it off.
struct HeldNamespace {
    cluster: Cluster,
    sandbox: String,
}

impl HeldNamespace {
    const FINALIZER: &str = "example.com/namespace-auth";

    async fn by_another_product(scene: &Scene, sandbox: &str) -> Result<Self> {
        let held = json!({ "metadata": { "finalizers": [Self::FINALIZER] } });
        Api::<Namespace>::all(scene.client.clone())
            .patch(sandbox, &PatchParams::default(), &Patch::Merge(&held))
            .await?;
        Ok(Self {
            cluster: scene.cluster.clone(),
            sandbox: sandbox.to_owned(),
        })
    }
}

impl Drop for HeldNamespace {
    fn drop(&mut self) {
        let free = r#"--patch={"metadata":{"finalizers":null}}"#;
        // It is gone already when the test did not fail.
        let _ = self
            .cluster
            .kubectl(&["patch", "namespace", &self.sandbox, "--type=merge", free]);
    }
}

#[tokio::test]
async fn a_sandbox_whose_namespace_another_product_holds_goes_and_the_finalizer_is_named() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "heldns").await?;
    let settles = json!({ "healthChecks": { "settle": "5s" } });
    create_test(
        &scene.client,
        &namespace,
        "heldns",
        spec(&[&namespace], &name, settles),
    )
    .await?;
    let report = report_when(&scene.client, &namespace, "heldns", "its start", |r| {
        phase(r) == Some(RunPhase::Starting) || phase(r) == Some(RunPhase::Checking)
    })
    .await?;
    let sandboxes = report.status.context("no status")?.sandboxes;
    let sandbox = &sandboxes.first().context("no sandbox")?.name;
    let _held = HeldNamespace::by_another_product(&scene, sandbox).await?;
    let status = ended(&scene.client, &namespace, "heldns").await?;
    assert_eq!(
        (status.score, status.result),
        (Some(80), Some(RunResult::Partial)),
        "nothing but its checks is missing: {:?}",
        status.findings
    );
    let freed = format!("Namespace/{sandbox} ({})", HeldNamespace::FINALIZER);
    let named = |f: &&Finding| f.reason == "FinalizerRemoved" && f.message.contains(&freed);
    assert_eq!(
        status.findings.iter().filter(named).count(),
        1,
        "{:?}",
        status.findings
    );
    let blocked = |f: &Finding| f.reason == "CleanupBlocked";
    assert!(!status.findings.iter().any(blocked), "{:?}", status.findings);
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_backup_that_is_deleted_in_the_middle_is_no_failed_backup() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name, report) = checking(&mut scene, "nobackup").await?;
    // And some other product takes the copy for its own.
    let sandboxes = report.status.context("no status")?.sandboxes;
    let sandbox = &sandboxes.first().context("no sandbox")?.name;
    let _held = Held::by_another_product(&scene, sandbox).await?;
    delete_backup(&scene.client, &name).await?;
    let status = ended(&scene.client, &namespace, "nobackup").await?;
    assert_eq!(
        (status.result, status.reason.as_deref()),
        (Some(RunResult::Inconclusive), Some("RestoreDeleted")),
        "{:?}",
        status.findings
    );
    let named = |f: &Finding| f.message.contains("ConfigMap/page (example.com/cloud)");
    assert!(status.findings.iter().any(named), "{:?}", status.findings);
    Ok(())
}

#[tokio::test]
async fn the_namespace_of_a_test_can_go_in_the_middle_of_a_run() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name, report) = checking(&mut scene, "nohome").await?;
    let removed = tokio::time::timeout(Duration::from_mins(2), scene.remove(&namespace)).await;
    removed.context("the namespace is held by its test")??;
    let sandboxes = report.status.clone().context("no status")?.sandboxes;
    for sandbox in &sandboxes {
        gone(Api::<Namespace>::all(scene.client.clone()), &sandbox.name).await?;
    }
    assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
    delete_backup(&scene.client, &name).await
}

/// A run that goes on checking when somebody changes its report, and what becomes of it.
async fn with_its_report_changed(
    stem: &str,
    change: impl AsyncFnOnce(&Api<RestoreReport>, &str) -> Result<()>,
) -> Result<RestoreReportStatus> {
    let mut scene = Scene::new().await?;
    let (namespace, name, report) = checking(&mut scene, stem).await?;
    let reports = Api::<RestoreReport>::namespaced(scene.client.clone(), &namespace);
    change(&reports, &report.name_any()).await?;
    // A phase alone says nothing: somebody may have written it.
    let report = report_when(&scene.client, &namespace, stem, "its verdict and its end", |r| {
        let judged = r.status.as_ref().is_some_and(|s| s.result.is_some());
        judged && phase(r) == Some(RunPhase::Completed)
    })
    .await?;
    assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
    delete_backup(&scene.client, &name).await?;
    report.status.context("no status")
}

fn assert_nobody_knows(status: &RestoreReportStatus, reason: &str) {
    assert_eq!(
        (status.result, status.cause, status.reason.as_deref()),
        (Some(RunResult::Inconclusive), Some(Cause::Unknown), Some(reason)),
        "{:?}",
        status.findings
    );
}

#[tokio::test]
async fn a_phase_that_somebody_writes_accuses_nobody() -> Result<()> {
    let status = with_its_report_changed("newphase", async |reports, name| {
        let over = Patch::Merge(json!({ "status": { "phase": "Completed" } }));
        reports.patch_status(name, &PatchParams::default(), &over).await?;
        Ok(())
    })
    .await?;
    assert_nobody_knows(&status, "PhaseChanged");
    Ok(())
}

#[tokio::test]
async fn a_spec_that_cannot_be_read_any_more_accuses_nobody() -> Result<()> {
    let status = with_its_report_changed("newspec", async |reports, name| {
        // What a test says is looked at when it is applied; what its report says is not.
        let odd = json!([{ "name": "odd", "type": "exec", "exec": {
            "podSelector": { "app": "small" }, "command": ["true"], "stdoutMatches": "([" } }]);
        let change = Patch::Merge(json!({ "spec": { "test": { "healthChecks": { "checks": odd } } } }));
        reports.patch(name, &PatchParams::default(), &change).await?;
        Ok(())
    })
    .await?;
    assert_nobody_knows(&status, "InvalidSpec");
    let named = |f: &Finding| f.message.contains("healthChecks.checks[0].exec.stdoutMatches");
    assert!(status.findings.iter().any(named), "{:?}", status.findings);
    Ok(())
}
