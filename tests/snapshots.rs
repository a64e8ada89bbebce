//! What Velero makes of the snapshots of a backup outlives the sandbox it was made for, and goes with it all the same. There
//! is no CSI driver here: a person makes these objects, as Velero does.

mod story;

use anyhow::{Context, Result};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kymaros_crds::RunPhase;
use kymaros_testbed::scene::{Scene, delete_backup, unique};
use serde_json::json;
use story::{create_test, finished, leftovers, phase, report_when, small, snapshot_contents, spec};

fn content(name: &str, restore: &str, namespace: &str, policy: &str) -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
        "metadata": { "name": name, "labels": { "velero.io/restore-name": restore } },
        "spec": { "deletionPolicy": policy, "driver": "example.com", "source": { "snapshotHandle": "one" },
                  "volumeSnapshotRef": { "namespace": namespace, "name": "data" } },
    }))?)
}

#[tokio::test]
async fn snapshot_contents_go_with_their_sandbox_and_the_snapshot_of_the_backup_stays() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (namespace, backup) = small(&mut scene, "snapshots").await?;
    let slow = json!({ "healthChecks": { "settle": "5s" } });
    create_test(
        &scene.client,
        &namespace,
        "snapshots",
        spec(&[&namespace], &backup, slow),
    )
    .await?;
    let report = report_when(&scene.client, &namespace, "snapshots", "checks", |report| {
        phase(report) == Some(RunPhase::Checking)
    })
    .await?;
    let status = report.status.context("no status")?;
    let restore = &status.restores.first().context("no restore")?.name;
    let sandbox = &status.sandboxes.first().context("no sandbox")?.name;
    let contents = snapshot_contents(&scene.client);
    let [copy, of_backup, of_production] = ["copy", "backup", "production"].map(unique);
    let post = PostParams::default();
    contents
        .create(&post, &content(&copy, restore, sandbox, "Retain")?)
        .await?;
    contents
        .create(&post, &content(&of_production, "nightly", &namespace, "Retain")?)
        .await?;
    let refused = contents
        .create(&post, &content(&of_backup, restore, sandbox, "Delete")?)
        .await;
    let refused = refused
        .err()
        .context("the backup would lose its snapshot")?
        .to_string();
    assert!(
        refused.contains("the backup would lose its snapshot"),
        "{refused}"
    );

    let report = finished(&scene.client, &namespace, "snapshots").await?;
    let status = report.status.as_ref().context("no status")?;
    assert_eq!(status.leftovers, Some(0), "{:?}", status.findings);
    assert_eq!(leftovers(&scene.client, &report).await?, Vec::<String>::new());
    assert!(
        contents.get_opt(&of_production).await?.is_some(),
        "it is not of this run"
    );
    contents.delete(&of_production, &DeleteParams::default()).await?;
    delete_backup(&scene.client, &backup).await
}
