//! Tests of backups on the stage, before, while and after the operator is there.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use kymaros_crds::{Cause, RestoreReport, RestoreTest, RunPhase, RunResult, names};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, deploy_shop, unique, wait_ready};
use serde_json::{Value, json};

use super::{Stage, is_gone};
use crate::story::{SMALL, answers, create_test, finished, gone, phase, report_when, run, small, spec};

/// Takes a field out of a definition: the one that an older chart had.
pub fn forget_suspend(template: &Path) -> Result<()> {
    let mut definition: Value = serde_saphyr::from_str(&std::fs::read_to_string(template)?)?;
    let fields = definition
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
        .and_then(Value::as_object_mut)
        .context("a definition without fields")?;
    fields.remove("suspend").context("the field is not there")?;
    // JSON is YAML.
    std::fs::write(template, definition.to_string())?;
    Ok(())
}

/// Whether the installed kind has that field.
pub async fn knows_suspend(client: &Client) -> Result<bool> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = serde_json::to_value(api.get("restoretests.restore.kymaros.io").await?)?;
    let fields = definition.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    Ok(fields.is_some_and(|fields| fields.get("suspend").is_some()))
}

/// Every test goes, and with it its runs. Without the kind there is none.
pub fn delete_all(scene: &Scene) -> Result<()> {
    let kind = [
        "get",
        "customresourcedefinition",
        "restoretests.restore.kymaros.io",
        "--ignore-not-found",
    ];
    if scene.cluster.kubectl(&kind)?.is_empty() {
        return Ok(());
    }
    scene.cluster.kubectl(&[
        "delete",
        "restoretests",
        "--all",
        "--all-namespaces",
        "--timeout=2m",
    ])?;
    Ok(())
}

impl Stage {
    /// A small application, its backup, and a test of that; the test's namespace has its name.
    async fn run(&mut self, name: &str, change: Value) -> Result<RestoreReport> {
        let namespace = self.scene.namespace(name).await?;
        self.homes.insert(name.to_owned(), namespace.clone());
        apply(&self.scene.client, &namespace, SMALL).await?;
        wait_ready(&self.scene.client, &namespace, "app=small", 1).await?;
        let backup_name = unique(name);
        backup(&self.scene.client, &backup_name, &Backup::of(&[&namespace])).await?;
        run(
            &self.scene,
            &namespace,
            name,
            spec(&[&namespace], &backup_name, change),
        )
        .await
    }

    pub(super) fn home(&self, name: &str) -> Result<&str> {
        self.homes
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("{name} did not run"))
    }

    pub async fn passes_a_run(&mut self, name: &str) -> Result<()> {
        let check = json!({ "name": "web answers", "type": "httpGet",
            "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } });
        let report = self
            .run(name, json!({ "healthChecks": { "checks": [check] } }))
            .await?;
        let status = report.status.context("no status")?;
        assert_eq!(status.result, Some(RunResult::Pass), "{:?}", status.findings);
        Ok(())
    }

    pub async fn keeps_a_sandbox(&mut self, name: &str) -> Result<()> {
        let kept = json!({ "sandbox": { "retention": "UntilTTL", "ttl": "1h" } });
        let report = self.run(name, kept).await?;
        let sandbox = report
            .status
            .and_then(|s| s.sandboxes.first().map(|s| s.name.clone()));
        assert!(!is_gone(&self.scene.client, &sandbox.context("no sandbox")?).await?);
        Ok(())
    }

    /// Leaves a run under way that does not end by itself in the time the stage takes.
    pub async fn is_in_a_run(&mut self, name: &str) -> Result<()> {
        let (namespace, backup_name) = small(&mut self.scene, name).await?;
        self.homes.insert(name.to_owned(), namespace.clone());
        let long = json!({ "sandbox": { "ttl": "1h" }, "timeout": "50m",
            "healthChecks": { "settle": "30m", "timeout": "40m" } });
        let spec = spec(&[&namespace], &backup_name, long);
        create_test(&self.scene.client, &namespace, name, spec).await?;
        report_when(
            &self.scene.client,
            &namespace,
            name,
            "a sandbox that starts",
            |report| phase(report) == Some(RunPhase::Starting),
        )
        .await?;
        Ok(())
    }

    /// A run that was under way when the operator went is ended by the next one, and nobody's backup is blamed.
    pub async fn ends_the_run(&mut self, name: &str) -> Result<()> {
        let report = finished(&self.scene.client, self.home(name)?, name).await?;
        let status = report.status.context("no status")?;
        assert_eq!(
            (status.result, status.cause),
            (Some(RunResult::Inconclusive), Some(Cause::Sandbox)),
            "{:?}",
            status.findings
        );
        Ok(())
    }

    /// The operator is gone: tests and reports are there, and people do with them what they like.
    pub async fn nothing_waits(&mut self, name: &str) -> Result<()> {
        let home = self.home(name)?.to_owned();
        let tests = Api::<RestoreTest>::all(self.scene.client.clone())
            .list(&ListParams::default())
            .await?;
        let reports = Api::<RestoreReport>::all(self.scene.client.clone())
            .list(&ListParams::default())
            .await?;
        assert!(
            tests.items.len() >= 2 && reports.items.len() >= 2,
            "tests or reports went with the release"
        );
        for finalizers in tests
            .iter()
            .map(ResourceExt::finalizers)
            .chain(reports.iter().map(ResourceExt::finalizers))
        {
            assert!(
                !finalizers.iter().any(|f| f == names::FINALIZER),
                "the finalizer is still there"
            );
        }
        let of_home = Api::<RestoreTest>::namespaced(self.scene.client.clone(), &home);
        let change = json!({ "spec": { "historyLimit": 3 } });
        of_home
            .patch(name, &PatchParams::default(), &Patch::Merge(&change))
            .await?;
        of_home.delete(name, &DeleteParams::default()).await?;
        gone(of_home, name).await?;
        self.scene.remove(&home).await
    }

    /// A new operator takes over what an earlier one left.
    pub async fn goes_on(&mut self, name: &str) -> Result<()> {
        let home = self.home(name)?.to_owned();
        let tests = Api::<RestoreTest>::namespaced(self.scene.client.clone(), &home);
        let reports = Api::<RestoreReport>::namespaced(self.scene.client.clone(), &home);
        let before = reports.list(&ListParams::default()).await?.items.len();
        answers(&self.scene.client, &home).await?;
        let immediate = json!({ "spec": { "sandbox": { "retention": "Immediate" } } });
        tests
            .patch(name, &PatchParams::default(), &Patch::Merge(&immediate))
            .await?;
        trigger(&tests, name).await?;
        // As long as a run goes on, its test is held.
        let held = await_condition(tests.clone(), name, |test: Option<&RestoreTest>| {
            test.is_some_and(|test| test.finalizers().iter().any(|f| f == names::FINALIZER))
        });
        tokio::time::timeout(std::time::Duration::from_mins(1), held)
            .await
            .context("no run was made")??;
        report_when(&self.scene.client, &home, name, "another run", |report| {
            report.spec.trigger == Some(kymaros_crds::Trigger::Annotation)
                && phase(report) == Some(RunPhase::Completed)
        })
        .await?;
        let after = reports.list(&ListParams::default()).await?.items.len();
        assert_eq!(after, before + 1);
        finished(&self.scene.client, &home, name).await?;
        tests.delete(name, &DeleteParams::default()).await?;
        gone(tests, name).await
    }

    /// Every kind of check, a volume that would be retained, a copy with a foreign finalizer, a trigger, more reports
    /// than are kept, and the end of the test.
    pub async fn uses_everything(&mut self, name: &str, backed_up: &Value) -> Result<()> {
        let client = self.scene.client.clone();
        let namespace = self.scene.namespace(name).await?;
        deploy_shop(&client, &namespace).await?;
        apply(&client, &namespace, FOREIGN).await?;
        retain_volumes(&client, &namespace, "Retain").await?;
        let backup_name = unique(name);
        backup(&client, &backup_name, &Backup::of(&[&namespace]).with(backed_up)).await?;
        // Else the source could not be removed at the end.
        retain_volumes(&client, &namespace, "Delete").await?;
        let free = json!({ "metadata": { "finalizers": null } });
        let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
        maps.patch("foreign", &PatchParams::default(), &Patch::Merge(&free))
            .await?;

        let checks = json!({ "historyLimit": 1, "healthChecks": { "checks": [
            { "name": "pods", "type": "podStatus", "podStatus": { "labelSelector": { "app": "shop" }, "minReady": 2 } },
            { "name": "http", "type": "httpGet",
              "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } },
            { "name": "tcp", "type": "tcpSocket", "tcpSocket": { "service": "db", "port": 5432 } },
            { "name": "exec", "type": "exec", "exec": { "podSelector": { "component": "db" }, "command": ["true"] } },
            { "name": "objects", "type": "resourceExists",
              "resourceExists": { "resources": [{ "kind": "Secret", "name": "db-credentials" }] } },
        ] } });
        let report = run(
            &self.scene,
            &namespace,
            name,
            spec(&[&namespace], &backup_name, checks),
        )
        .await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(status.result, Some(RunResult::Pass), "{:?}", status.findings);

        let tests = Api::<RestoreTest>::namespaced(client.clone(), &namespace);
        trigger(&tests, name).await?;
        gone(
            Api::<RestoreReport>::namespaced(client.clone(), &namespace),
            &report.name_any(),
        )
        .await?;
        finished(&client, &namespace, name).await?;
        tests.delete(name, &DeleteParams::default()).await?;
        gone(tests, name).await
    }
}

/// Somebody else's finalizer on something that is copied.
const FOREIGN: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: foreign
  finalizers: [example.com/kept]
";

/// What becomes of the volumes of a namespace when their claims go.
async fn retain_volumes(client: &Client, namespace: &str, policy: &str) -> Result<()> {
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let change = json!({ "spec": { "persistentVolumeReclaimPolicy": policy } });
    for volume in volumes.list(&ListParams::default()).await? {
        let claim = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
        if claim.is_some_and(|claim| claim.namespace.as_deref() == Some(namespace)) {
            volumes
                .patch(
                    &volume.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(&change),
                )
                .await?;
        }
    }
    Ok(())
}

async fn trigger(tests: &Api<RestoreTest>, name: &str) -> Result<()> {
    let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "yes" } } });
    tests
        .patch(name, &PatchParams::default(), &Patch::Merge(&trigger))
        .await?;
    Ok(())
}
