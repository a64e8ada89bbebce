//! What a spec says of its sandboxes happens: their names, who may talk to whom in them, how long they stay.

mod story;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use kymaros_crds::{CheckResult, RunResult, names};
use kymaros_testbed::scene::{Backup, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::{Value, json};
use story::{SMALL, create_test, gone, run, small, spec, until_nothing_is_left};

/// A look from a pod of one namespace at an address; whether it is answered is the exit code.
fn look(name: &str, from: &str, at: &str, is_answered: bool) -> Value {
    // The name is known to all, whoever may talk to whom. 2: it is not.
    let command = format!(
        "ip=$(nslookup {at} | sed -n '/^Name/,$s/^Address: *//p' | head -n 1); [ -n \"$ip\" ] || exit 2; \
         printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 $ip 80 | grep -q hello"
    );
    let command = ["sh", "-c", &command];
    json!({ "name": name, "namespace": from, "type": "exec", "exec": { "podSelector": { "app": "small" },
        "command": command, "successExitCode": i32::from(!is_answered), "timeout": "15s" } })
}

/// Does nothing in a sandbox, and needs what it names all the same.
fn dump(namespace: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: CronJob
metadata: {{name: dump}}
spec:
  schedule: 0 3 1 1 *
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: c
              image: kymaros.test/busybox:1
              args: [--from=http://web.{namespace}.svc/, s3.storage.svc.cluster.local]
"
    )
}

#[tokio::test]
async fn sandboxes_talk_to_each_other_when_told_so_and_never_to_production() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (one, two) = (scene.namespace("talk-a").await?, scene.namespace("talk-b").await?);
    for namespace in [&one, &two] {
        apply(&scene.client, namespace, SMALL).await?;
        wait_ready(&scene.client, namespace, "app=small", 1).await?;
    }
    apply(&scene.client, &one, &dump(&two)).await?;
    let name = unique("talk");
    backup(&scene.client, &name, &Backup::of(&[&one, &two])).await?;
    for (isolation, is_answered) in [("group", true), ("strict", false)] {
        let sandbox = unique("talk-sandbox");
        let service = |namespace: &str| format!("web.{namespace}.svc.cluster.local");

        let checks = json!([
            look("itself", &two, &service(&sandbox), true),
            look("the other sandbox", &one, &service(&sandbox), is_answered),
            look("production", &one, &service(&two), false),
            look("its own original", &one, &service(&one), false),
        ]);
        let mut tested = spec(
            &[&one, &two],
            &name,
            json!({
            "sandbox": { "networkIsolation": isolation }, "healthChecks": { "checks": checks } }),
        );
        tested["backupSource"]["namespaces"][1]["sandboxName"] = json!(sandbox);
        let report = run(&scene, &one, isolation, tested).await?;
        let status = report.status.context("no status")?;
        assert!(
            status
                .sandboxes
                .iter()
                .any(|s| s.source == two && s.name == sandbox),
            "{:?}",
            status.sandboxes
        );
        for check in &status.checks {
            assert_eq!(check.status, CheckResult::Pass, "{isolation}: {check:?}");
        }
        assert_eq!(status.checks.len(), 4, "{:?}", status.checks);
        let named = status
            .validation_levels
            .context("no levels")?
            .cross_namespace_deps;
        assert_eq!(named.tested, [format!("CronJob/dump → web.{two}")]);
        assert_eq!(named.not_tested, ["CronJob/dump → s3.storage"]);
        let outside =
            |f: &kymaros_crds::Finding| f.reason == "DependencyNotTested" && f.message.contains("storage");
        assert!(status.findings.iter().any(outside), "{:?}", status.findings);
    }
    delete_backup(&scene.client, &name).await
}

#[tokio::test]
async fn a_sandbox_stays_after_a_failure_when_told_so_and_goes_with_its_ttl() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, name) = small(&mut scene, "stays").await?;
    let with = |path: &str| {
        let check = json!({ "name": "page", "type": "httpGet", "required": true,
            "httpGet": { "service": "web", "port": 80, "path": path, "expectedStatus": 200, "timeout": "2s" } });
        let change = json!({ "timeout": "90s", "sandbox": { "namespacePrefix": "proof", "ttl": "90s", "retention": "OnFailure" },
            "healthChecks": { "settle": "0s", "timeout": "30s", "checks": [check] } });
        spec(&[&namespace], &name, change)
    };
    let namespaces = Api::<Namespace>::all(scene.client.clone());
    for (test, path, result, state) in [
        ("failed", "/absent", RunResult::Fail, "Retained"),
        ("passed", "/", RunResult::Pass, "Removed"),
    ] {
        let report = run(&scene, &namespace, test, with(path)).await?;
        let status = report.status.clone().context("no status")?;
        assert_eq!(status.result, Some(result), "{:?}", status.findings);
        let sandbox = status.sandboxes.first().context("no sandbox")?;
        assert_eq!(sandbox.state.as_deref(), Some(state));
        let begins = format!("proof-{test}-");
        assert!(sandbox.name.starts_with(&begins), "{}", sandbox.name);
        let is_there = namespaces.get_opt(&sandbox.name).await?.is_some();
        assert_eq!(is_there, state == "Retained", "{test}");
        if is_there {
            for mark in [names::MANAGED_BY_LABEL, names::RUN_UID_LABEL] {
                let without = Patch::Merge(json!({ "metadata": { "labels": { mark: null } } }));
                let taken = namespaces
                    .patch(&sandbox.name, &PatchParams::default(), &without)
                    .await;
                let refused = taken.err().context("a sandbox became an ordinary namespace")?;
                assert!(refused.to_string().contains(mark), "{refused}");
            }
            let copy = spec(&[&sandbox.name], &name, json!({ "suspend": true }));
            let copied = create_test(&scene.client, &namespace, "copy", copy).await;
            let refused = format!(
                "{:#}",
                copied.err().context("a sandbox was taken for an application")?
            );
            let why = format!("is a sandbox of the test {namespace}/{test}");
            assert!(refused.contains(&why), "{refused}");
        }
        gone(namespaces.clone(), &sandbox.name).await?;
        until_nothing_is_left(&scene.client, &report).await?;
    }
    delete_backup(&scene.client, &name).await
}
