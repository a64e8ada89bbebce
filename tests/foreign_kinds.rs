//! Kinds of other products: most come back and count like any other, and those that stand for something outside of the
//! cluster never do.

mod story;

use anyhow::{Context, Result};
use kube::{
    Api,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use kymaros_crds::{PlanAction, RunResult, Severity};
use kymaros_testbed::scene::{Backup, LISTED_KIND, Scene, apply, backup, delete_backup, unique, wait_ready};
use serde_json::json;
use story::{SMALL, run, spec};

const FOREIGN: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {size: 1}
---
apiVersion: s3.services.k8s.aws/v1
kind: Bucket
metadata: {name: invoices}
spec: {name: invoices-of-production}
";

#[tokio::test]
async fn a_copy_never_takes_over_what_its_original_stands_for() -> Result<()> {
    let mut scene = Scene::new().await?;
    let namespace = scene.namespace("foreign").await?;
    apply(&scene.client, &namespace, SMALL).await?;
    apply(&scene.client, &namespace, FOREIGN).await?;
    wait_ready(&scene.client, &namespace, "app=small", 1).await?;
    let name = unique("foreign");
    backup(&scene.client, &name, &Backup::of(&[&namespace])).await?;
    let kept = spec(
        &[&namespace],
        &name,
        json!({ "sandbox": { "retention": "UntilTTL", "ttl": "3m" } }),
    );
    let report = run(&scene, &namespace, "foreign", kept).await?;
    let status = report.status.clone().context("no status")?;
    assert_eq!(status.result, Some(RunResult::Partial), "{:?}", status.findings);
    assert_eq!(
        status.score,
        Some(80),
        "leaving it out costs nothing: {:?}",
        status.findings
    );
    let told: Vec<&str> = status
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Info)
        .map(|f| f.message.as_str())
        .collect();
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        told.contains("buckets.s3.services.k8s.aws") && !told.contains(LISTED_KIND),
        "nobody may list buckets: {told}"
    );
    let custom = status.completeness.and_then(|counts| counts.custom_resources);
    assert_eq!(custom.as_deref(), Some("1/1"), "the widget counts");

    let sandbox = &status.sandboxes.first().context("no sandbox")?.name;
    let there = async |group: &str, kind: &str, plural: &str, namespace: &str| {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        let objects = Api::<DynamicObject>::namespaced_with(scene.client.clone(), namespace, &resource);
        Ok::<_, kube::Error>(objects.list(&ListParams::default()).await?.items.len())
    };
    assert_eq!(there("example.com", "Widget", "widgets", sandbox).await?, 1);
    assert_eq!(
        there("s3.services.k8s.aws", "Bucket", "buckets", sandbox).await?,
        0
    );
    assert_eq!(
        there("s3.services.k8s.aws", "Bucket", "buckets", &namespace).await?,
        1
    );

    let planned = status.plan.iter().find(|plan| plan.kind.ends_with("/Bucket"));
    let planned = planned.context("the plan does not name it")?;
    assert_eq!((planned.action, planned.objects), (PlanAction::Excluded, 1));
    assert!(
        planned
            .reason
            .as_ref()
            .is_some_and(|why| why.contains("outside of the cluster"))
    );
    delete_backup(&scene.client, &name).await
}
