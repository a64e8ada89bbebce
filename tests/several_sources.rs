//! A test of several backups restores each of them, and is judged by all. A file of its own, because it needs the license
//! of the operator in the cluster.

mod licensed;
mod story;

use anyhow::{Context, Result};
use kube::{Api, api::PostParams};
use kymaros_crds::{Finding, RestoreTest, RunResult};
use kymaros_testbed::scene::{Backup, Scene, backup, delete_backup, unique};
use serde_json::{Value, json};
use story::{leftovers, run, small, spec};

fn page(namespace: &str) -> Value {
    json!({ "name": format!("page of {namespace}"), "namespace": namespace, "type": "httpGet",
        "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } })
}

#[tokio::test]
async fn each_backup_of_a_test_is_restored_and_judged() -> Result<()> {
    let mut scene = Scene::new().await?;
    let client = scene.client.clone();
    let (one, first) = small(&mut scene, "source-a").await?;
    let (two, second) = small(&mut scene, "source-b").await?;
    let damaged = unique("source-c");
    backup(&client, &damaged, &Backup::of(&[&two]).without(&["configmaps"])).await?;
    let with = |second: &str| {
        let more = json!([{ "provider": "velero", "backupName": second, "namespaces": [{ "name": two }] }]);
        let change =
            json!({ "additionalSources": more, "healthChecks": { "checks": [page(&one), page(&two)] } });
        spec(&[&one], &first, change)
    };
    licensed::give(&client, "team", "2999-12-31").await?;
    let asked: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "asked", "namespace": one }, "spec": with(&second),
    }))?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &one);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    licensed::in_effect("Team", async || tests.create(&dry, &asked).await, Result::is_ok).await?;

    let whole = run(&scene, &one, "whole", with(&second)).await?;
    let status = whole.status.clone().context("no status")?;
    assert_eq!(
        (status.score, status.result),
        (Some(100), Some(RunResult::Pass)),
        "{:?}",
        status.findings
    );
    let restored: Vec<&str> = status.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(restored, [first.as_str(), second.as_str()]);
    assert_eq!(
        (status.restores.len(), status.sandboxes.len()),
        (2, 2),
        "{status:?}"
    );
    assert_eq!(leftovers(&client, &whole).await?, Vec::<String>::new());

    let torn = run(&scene, &one, "torn", with(&damaged)).await?;
    let status = torn.status.clone().context("no status")?;
    assert_ne!(status.result, Some(RunResult::Pass), "{:?}", status.findings);
    let is_lost = |f: &&Finding| {
        let said = format!("{} {}", f.object.as_deref().unwrap_or_default(), f.message);
        said.contains("ConfigMap/page") && said.contains(&two)
    };
    let lost = status.findings.iter().find(is_lost);
    assert!(
        lost.is_some(),
        "nothing says what is lost, and where: {:?}",
        status.findings
    );
    assert_eq!(leftovers(&client, &torn).await?, Vec::<String>::new());
    licensed::take(&client).await?;
    for name in [&first, &second, &damaged] {
        delete_backup(&client, name).await?;
    }
    Ok(())
}
