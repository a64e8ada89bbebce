//! Production is never touched: what comes back is tamed, and what cannot be restored says so.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::CronJob,
    core::v1::{Namespace, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use kymaros_crds::{Cause, RestoreTest, RunResult};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::json;
use story::{SMALL, create_test, finished, gone, leftovers, run, spec};

/// Things that reach out of a namespace.
const REACHING: &str = include_str!("story/reaching.yaml");

#[tokio::test]
async fn what_reaches_out_is_tamed_and_a_foreign_finalizer_keeps_nothing() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("reach").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    // A node port of its own for each run of this test: they are taken for the whole cluster. The API server gives none of
    // these to those who ask for any.
    let port = 30_000 + std::process::id() % 86;
    apply(
        &scene.client,
        &namespace,
        &REACHING.replace("NODEPORT", &port.to_string()),
    )
    .await?;
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
    assert_tamed(&scene.client, &sandbox).await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(
        (status.result, status.score),
        (Some(RunResult::Partial), Some(80)),
        "being made harmless costs nothing: {:?}",
        status.findings
    );
    // A hook that Velero runs in a container fails there, and that is an error of the Restore.
    let errors: Vec<_> = status
        .restores
        .iter()
        .map(|r| (r.phase.clone(), r.errors))
        .collect();
    assert_eq!(errors, [(Some("Completed".to_owned()), Some(0))]);
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), &sandbox);
    let guarded = accounts.get("guarded").await?;
    assert_eq!(
        guarded.finalizers(),
        Vec::<String>::new(),
        "a copy holds what belongs to the original"
    );
    // Controllers of other products may put one on later, and then it must not keep the sandbox.
    let held = json!({ "metadata": { "finalizers": ["example.com/cloud-identity"] } });
    accounts
        .patch("guarded", &PatchParams::default(), &Patch::Merge(&held))
        .await?;

    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace);
    tests.delete("reach", &DeleteParams::default()).await?;
    gone(Api::<Namespace>::all(scene.client.clone()), &sandbox).await?;
    gone(tests, "reach").await?;
    assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
    delete_backup(&scene.client, &name).await
}

async fn assert_tamed(client: &Client, sandbox: &str) -> Result<()> {
    let cron = Api::<CronJob>::namespaced(client.clone(), sandbox)
        .get("mailer")
        .await?;
    assert_eq!(
        cron.spec.and_then(|s| s.suspend),
        Some(true),
        "a restored CronJob runs"
    );
    let pods = Api::<Pod>::namespaced(client.clone(), sandbox);
    assert!(
        pods.get_opt("worker").await?.is_none(),
        "the pod of a Job does its work again"
    );
    for pod in pods.list(&ListParams::default()).await? {
        let spec = pod.spec.clone().context("no spec")?;
        let first: Vec<_> = spec
            .init_containers
            .iter()
            .flatten()
            .map(|c| c.name.as_str())
            .collect();
        let own: &[&str] = if pod.name_any() == "hooked" { &["own"] } else { &[] };
        assert_eq!(first, own, "{} has the hook of production", pod.name_any());
        assert_eq!(
            spec.priority_class_name.as_deref(),
            Some("kymaros-sandbox"),
            "{}",
            pod.name_any()
        );
        assert_eq!(
            spec.preemption_policy.as_deref(),
            Some("Never"),
            "{}",
            pod.name_any()
        );
        assert!(
            pod.labels().contains_key("velero.io/exclude-from-backup"),
            "{} gets into backups",
            pod.name_any()
        );
    }
    let important = Api::<Deployment>::namespaced(client.clone(), sandbox)
        .get("important")
        .await?;
    assert!(
        !important
            .annotations()
            .contains_key("argocd.argoproj.io/tracking-id"),
        "a GitOps tool takes the copy for its own"
    );
    let services = Api::<Service>::namespaced(client.clone(), sandbox);
    for name in ["front", "fixed"] {
        let service = services.get(name).await?;
        let spec = service.spec.clone().context("no spec")?;
        assert_eq!(
            spec.type_.as_deref(),
            Some("ClusterIP"),
            "{name} asks for an address outside"
        );
        let ports = spec.ports.unwrap_or_default();
        assert!(
            ports.iter().all(|p| p.node_port.is_none()),
            "{name} asks for a port of every node"
        );
    }
    let annotations = services.get("front").await?.annotations().clone();
    assert_eq!(annotations.get("team").map(String::as_str), Some("shop"));
    assert!(
        !annotations.keys().any(|k| k.contains("external-dns")),
        "the name of production would lead to the copy"
    );
    let policies = Api::<NetworkPolicy>::namespaced(client.clone(), sandbox)
        .list(&ListParams::default())
        .await?;
    let names: Vec<_> = policies.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["deny-all"], "a restored policy opens the sandbox");
    assert_stays_closed(client, sandbox).await
}

/// Products that make policies in each namespace come to sandboxes as well.
async fn assert_stays_closed(client: &Client, sandbox: &str) -> Result<()> {
    let policies = Api::<NetworkPolicy>::namespaced(client.clone(), sandbox);
    let open = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "open" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] } });
    // It is made, and then changed.
    for tries in 0..2 {
        let by = PatchParams::apply("generator").force();
        let stored = policies.patch("open", &by, &Patch::Apply(&open)).await?;
        let spec = stored.spec.context("no spec")?;
        assert_eq!(
            (spec.ingress, spec.egress),
            (None, None),
            "try {tries} opens the sandbox"
        );
    }
    // Network plugins mark those that they keep, and who changes the operator's own changes nothing.
    let own = policies.get("deny-all").await?;
    let change =
        json!({ "metadata": { "annotations": { "example.com/kept": "true" } }, "spec": { "egress": [{}] } });
    let by = PatchParams::default();
    let stored = policies.patch("deny-all", &by, &Patch::Merge(&change)).await?;
    assert_eq!(stored.spec, own.spec);
    assert!(stored.annotations().contains_key("example.com/kept"));
    Ok(())
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_never_taken_for_a_sandbox() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("taken").await?;
    let precious = unique("precious");
    apply(&scene.client, &namespace, SMALL).await?;
    let name = unique("taken");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    // Admission refuses a name that is taken already; this one is taken after the test was admitted.
    let mut late = spec(&[&namespace], &name, json!({ "suspend": true }));
    late["backupSource"]["namespaces"] = json!([{ "name": namespace, "sandboxName": precious }]);
    create_test(&scene.client, &namespace, "taken", late).await?;
    scene.namespace_called(&precious).await?;
    apply(&scene.client, &precious, SMALL).await?;
    wait_ready(&scene.client, &precious, "app=small", 1).await?;
    let now = json!({ "metadata": { "annotations": { "kymaros.io/trigger-now": "yes" } } });
    Api::<RestoreTest>::namespaced(scene.client.clone(), &namespace)
        .patch("taken", &PatchParams::default(), &Patch::Merge(&now))
        .await?;
    let report = finished(&scene.client, &namespace, "taken").await?;
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
