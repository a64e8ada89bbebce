//! Every example is taken by a real API server, as it is, without a warning.

mod licensed;

use anyhow::{Context, Result};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use kymaros_testbed::scene::Scene;

#[tokio::test]
async fn every_example_is_taken() -> Result<()> {
    let scene = Scene::new().await?;
    // Some of them are for the Team tier, and say so.
    licensed::give(&scene.client, "team", "").await?;
    let result = all_are_taken(&scene).await;
    licensed::take(&scene.client).await?;
    result
}

async fn all_are_taken(scene: &Scene) -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut taken = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let shown = path.display();
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {shown}"))?;
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("parsing {shown}"))?;
        for document in documents {
            let object: DynamicObject = serde_json::from_value(document)?;
            let types = object.types.clone().context("no kind")?;
            if !types.api_version.starts_with("restore.kymaros.io/") {
                continue;
            }
            let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
            let name = object.metadata.name.clone().unwrap_or_default();
            let api = Api::<DynamicObject>::namespaced_with(scene.client.clone(), "default", &resource);
            let mut object = object;
            object.metadata.namespace = Some("default".to_owned());
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::apply("examples").force()
            };
            let apply = async || api.patch(&name, &params, &Patch::Apply(&object)).await;
            let needs_team = |answer: &Result<_, kube::Error>| matches!(answer, Err(error) if error.to_string().contains("needs the Team tier"));
            let mut answer = apply().await;
            if needs_team(&answer) {
                licensed::in_effect("the license", apply, Result::is_ok).await?;
                answer = apply().await;
            }
            answer.with_context(|| format!("{shown}: {}/{name}", types.kind))?;
            taken += 1;
        }
    }
    assert!(taken >= 8, "only {taken} objects were tried");
    Ok(())
}

#[tokio::test]
async fn a_wrong_manifest_is_refused_with_its_field() -> Result<()> {
    let scene = Scene::new().await?;
    let wrong = serde_json::json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "wrong" },
        "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                  "schedule": { "cron": "0 3 * * *" }, "sandbox": { "ttl": "soon" } },
    });
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "restore.kymaros.io",
        "v1alpha1",
        "RestoreTest",
    ));
    let api = Api::<DynamicObject>::namespaced_with(scene.client.clone(), "default", &resource);
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::apply("examples").force()
    };
    let refused = api
        .patch("wrong", &params, &Patch::Apply(&wrong))
        .await
        .err()
        .context("it was taken")?;
    assert!(refused.to_string().contains("spec.sandbox.ttl"), "{refused}");
    Ok(())
}
