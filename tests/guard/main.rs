//! The operator's own account, with every right in the cluster, tries to write everything everywhere: nothing lands.
//!
//! Rights are given on purpose, so that what refuses is the guard and not the lack of rights. Every attempt is a dry
//! run: the API server asks admission as always, and stores nothing even if a fence had a hole.

mod attempt;
mod namespaces;
mod outcome;
mod rights;
#[path = "../story/mod.rs"]
mod story;
mod tunnels;

use anyhow::{Context, Result, ensure};
use attempt::Attempt;
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api,
    api::DeleteParams,
    discovery::{ApiResource, Discovery, Scope, verbs},
};
use kymaros_crds::RestoreTest;
use kymaros_testbed::scene::{Scene, delete_backup};
use outcome::{Outcome, Place, Tried};
use rights::{EveryRight, as_operator, the_fences_themselves_are_beyond_its_rights};
use serde_json::json;
use story::{gone, run, small, spec};
use tunnels::tunnels;

const NAMESPACE: &str = "kymaros-system";

/// Nobody's admission is asked about policies and their bindings: what keeps the operator from them is that it has no
/// right to them, which is looked at apart.
fn is_beyond_admission(resource: &ApiResource) -> bool {
    resource.group == "admissionregistration.k8s.io" && resource.plural.contains("admissionpolic")
}

#[tokio::test]
async fn nothing_that_the_operator_writes_lands_outside_of_sandboxes() -> Result<()> {
    let mut scene = Scene::new().await?;
    let (production, backup) = small(&mut scene, "production").await?;
    let ended = kept_sandbox(&scene, &production, &backup).await?;
    let operator = as_operator(&scene).await?;
    the_fences_themselves_are_beyond_its_rights(&scene.client).await?;

    let discovery = Discovery::new(scene.client.clone()).run_aggregated().await?;
    let attempts: Vec<Attempt> = discovery
        .groups()
        .flat_map(|group| group.versioned_resources(group.preferred_version_or_latest()))
        .filter(|(_, can)| can.supports_operation(verbs::CREATE) || can.supports_operation(verbs::PATCH))
        .filter(|(resource, _)| !is_beyond_admission(resource))
        .flat_map(|(resource, can)| {
            let places = match can.scope {
                Scope::Cluster => vec![Place::Cluster],
                Scope::Namespaced => [production.as_str(), "kube-system", "velero", NAMESPACE, "default"]
                    .into_iter()
                    .map(|namespace| Place::Outside(namespace.to_owned()))
                    .chain([Place::Ended(ended.clone())])
                    .collect(),
            };
            places.into_iter().map(move |place| Attempt {
                resource: resource.clone(),
                subresources: can.subresources.clone(),
                place,
            })
        })
        .collect();
    let (admin, client) = (&scene.client, &operator);
    let rights = EveryRight::give(admin).await?;
    let tried: Result<Vec<Vec<Tried>>, kube::Error> = stream::iter(&attempts)
        .map(|attempt| attempt.try_twice(admin, client))
        .buffer_unordered(8)
        .try_collect()
        .await;
    let outside = tunnels(&operator, &scene, &production).await;
    let inside = tunnels(&operator, &scene, &ended).await;
    rights.take_back().await?;
    let tests = Api::<RestoreTest>::namespaced(scene.client.clone(), &production);
    tests.delete("kept", &DeleteParams::default()).await?;
    gone(tests, "kept").await?;
    delete_backup(&scene.client, &backup).await?;

    let (tried, tunnels) = (tried?, [outside?, inside?].concat());
    let all: Vec<&Tried> = tried.iter().flatten().chain(&tunnels).collect();
    let count = |wanted: Outcome| all.iter().filter(|tried| tried.outcome == wanted).count();
    println!(
        "{} writes tried on {} kinds and places: {} refused by a fence, {} not possible anyway, {} landed",
        all.len(),
        attempts.len(),
        count(Outcome::Refused),
        count(Outcome::NotPossible),
        count(Outcome::Landed),
    );
    let landed: Vec<&str> = all
        .iter()
        .filter(|tried| tried.lands_outside())
        .map(|tried| tried.what.as_str())
        .collect();
    assert_eq!(landed, Vec::<&str>::new(), "these writes would have landed");
    assert!(
        count(Outcome::Refused) > 300,
        "too little was really tried to prove anything"
    );
    Ok(())
}

/// A sandbox that stays after its run.
async fn kept_sandbox(scene: &Scene, production: &str, backup: &str) -> Result<String> {
    let never = json!({ "name": "never", "type": "httpGet", "required": true,
        "httpGet": { "service": "web", "port": 80, "path": "/absent", "expectedStatus": 200, "timeout": "2s" } });
    let kept = json!({ "timeout": "2m", "sandbox": { "ttl": "30m", "retention": "OnFailure" },
        "healthChecks": { "settle": "0s", "timeout": "1m", "checks": [never] } });
    let report = run(scene, production, "kept", spec(&[production], backup, kept)).await?;
    let sandboxes = report.status.unwrap_or_default().sandboxes;
    let sandbox = sandboxes.first().context("no sandbox")?;
    ensure!(sandbox.state.as_deref() == Some("Retained"), "{sandbox:?}");
    Ok(sandbox.name.clone())
}
