//! The operator may patch namespaces: of those that are not its sandboxes, none.

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use kymaros_crds::names;
use kymaros_testbed::scene::Scene;
use serde_json::json;

use crate::{
    outcome::{Outcome, outcome},
    rights::as_operator,
};

/// The operator's own rights are enough to ask for it, so it is a fence that refuses.
#[tokio::test]
async fn a_namespace_of_production_is_not_patched() -> Result<()> {
    let mut scene = Scene::new().await?;
    let production = scene.namespace("patched").await?;
    let admin = Api::<Namespace>::all(scene.client.clone());
    let operator = Api::<Namespace>::all(as_operator(&scene).await?);
    let params = PatchParams::default();
    let held = json!({ "metadata": { "finalizers": ["example.com/cloud"] } });
    admin.patch(&production, &params, &Patch::Merge(&held)).await?;
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let marks = json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "one" });
    let mut tried = Vec::new();
    for change in [
        json!({ "finalizers": null }),
        json!({ "labels": { "pod-security.kubernetes.io/enforce": "privileged" } }),
        json!({ "labels": marks }),
        json!({ "labels": marks, "finalizers": null }),
        json!({ "annotations": { "kymaros.test/tried": "true" } }),
    ] {
        let patch = Patch::Merge(json!({ "metadata": change }));
        tried.push((outcome(operator.patch(&production, &dry, &patch).await), change));
    }
    let free = json!({ "metadata": { "finalizers": null } });
    admin.patch(&production, &params, &Patch::Merge(&free)).await?;
    for (outcome, change) in tried {
        assert_eq!(outcome, Outcome::Refused, "{change}");
    }
    Ok(())
}
