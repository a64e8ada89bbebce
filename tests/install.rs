//! The chart in a real cluster: from nothing, through upgrades, to nothing. It installs and removes the operator that
//! other tests use, so `cargo xtask test` runs this file after all others, a test at a time.

mod audit;
mod helm;
mod stage;
mod story;

use std::collections::BTreeSet;

use anyhow::Result;
use audit::{Map, Request, missing, recorded, requests_of, sandboxes, unused};
use helm::NAMESPACE;
use kymaros::rbac::{Place, Setting};
use kymaros_testbed::{cluster::KUBECONFIG, scene::VELERO};
use serde_json::json;
use stage::Stage;

#[tokio::test]
async fn from_nothing_to_nothing_by_helm_4() -> Result<()> {
    life(Stage::set("helm").await?).await
}

#[tokio::test]
async fn from_nothing_to_nothing_by_helm_3() -> Result<()> {
    if is_own_cluster() {
        return Ok(());
    }
    life(Stage::set("helm3").await?).await
}

/// A cluster that somebody has: it has no Helm 3, and keeps no record of the operator's requests.
fn is_own_cluster() -> bool {
    let is_own = std::env::var_os(KUBECONFIG).is_some();
    if is_own {
        println!("this needs the test cluster; it is left out");
    }
    is_own
}

/// Every step finds what the one before it left.
async fn life(mut stage: Stage) -> Result<()> {
    stage
        .step("an older chart is installed into nothing", async |s| {
            s.install_older().await
        })
        .await?;
    stage
        .step("the API server finds no fault in the policies", async |s| {
            s.policies_are_sound().await
        })
        .await?;
    stage.step("its test passes", async |s| s.test()).await?;
    stage
        .step("a second release is refused", async |s| {
            s.second_is_refused().await
        })
        .await?;
    stage
        .step("it does its job", async |s| s.passes_a_run("before").await)
        .await?;
    stage
        .step("it is upgraded with the values it has", async |s| {
            s.upgrade().await
        })
        .await?;
    stage
        .step("it is rolled back", async |s| s.rollback().await)
        .await?;
    stage
        .step("and upgraded again", async |s| s.upgrade().await)
        .await?;
    stage
        .step("it keeps a sandbox", async |s| s.keeps_a_sandbox("kept").await)
        .await?;
    stage
        .step("it is in the middle of a run", async |s| {
            s.is_in_a_run("broken-off").await
        })
        .await?;
    stage
        .step("it is uninstalled", async |s| s.uninstall().await)
        .await?;
    stage
        .step("nothing waits for it", async |s| s.nothing_waits("before").await)
        .await?;
    stage
        .step("it is installed over what was kept", async |s| s.install())
        .await?;
    stage
        .step("and goes on", async |s| s.goes_on("kept").await)
        .await?;
    stage
        .step("what was broken off is ended", async |s| {
            s.ends_the_run("broken-off").await
        })
        .await?;
    stage.end().await
}

#[tokio::test]
async fn as_gitops_tools_install_it() -> Result<()> {
    let mut stage = Stage::set("helm").await?;
    stage.step("manifests are applied", async |s| s.apply()).await?;
    stage
        .step("applying them again changes nothing", async |s| {
            s.applies_without_a_difference()
        })
        .await?;
    stage
        .step("it does its job", async |s| s.passes_a_run("applied").await)
        .await?;
    stage
        .step("applying them again changes nothing", async |s| {
            s.applies_without_a_difference()
        })
        .await?;
    stage.step("it is deleted", async |s| s.delete().await).await?;
    stage.end().await
}

/// The operator's account, and the one that exists only while it is uninstalled.
const OPERATOR: &str = "system:serviceaccount:kymaros-system:kymaros";
const UNINSTALLER: &str = "system:serviceaccount:kymaros-system:kymaros-uninstall";
/// Where the operator has rights; the other places are for the other account.
const OF_THE_OPERATOR: [Place; 4] = [Place::Cluster, Place::Sandbox, Place::Velero, Place::Own];

#[tokio::test]
async fn every_right_is_used_and_none_is_missing() -> Result<()> {
    if is_own_cluster() {
        return Ok(());
    }
    let mut stage = Stage::set("helm").await?;
    let begun = recorded()?;
    stage.step("install", async |s| s.install()).await?;
    stage
        .step("a run with everything a test can have", async |s| {
            s.uses_everything("rights", &json!({})).await
        })
        .await?;
    stage
        .step("somebody asks its API", async |s| {
            s.asks_as_an_account("caller").await
        })
        .await?;
    let requests = requests_of(OPERATOR, begun)?;
    check(
        &requests,
        &sandboxes(&requests),
        &OF_THE_OPERATOR,
        &[],
        &[Setting::Reviews],
    );

    stage
        .step("it keeps a sandbox", async |s| s.keeps_a_sandbox("kept").await)
        .await?;
    let made = sandboxes(&requests_of(OPERATOR, begun)?);
    stage
        .step("it is uninstalled", async |s| s.uninstall().await)
        .await?;
    let uninstalling = [Place::Uninstall, Place::UninstallOwn];
    check(&requests_of(UNINSTALLER, begun)?, &made, &uninstalling, &[], &[]);
    stage.end().await
}

/// Everything that values other than the default ones give a right for.
const BY_OTHER_VALUES: [Setting; 6] = [
    Setting::WritesTests,
    Setting::CompareSecrets,
    Setting::CompareResources,
    Setting::AuthoritySecrets,
    Setting::OwnReceivers,
    Setting::Clusters,
];

#[tokio::test]
async fn rights_of_other_values_are_used_and_suffice() -> Result<()> {
    if is_own_cluster() {
        return Ok(());
    }
    let mut stage = Stage::set("helm").await?;
    let begun = recorded()?;
    let told = stage.receivers("told").await?;
    stage
        .step("install", async |s| s.install_with_other_values(&told))
        .await?;
    stage.step("its test passes", async |s| s.test()).await?;
    stage
        .step(
            "what its network policy leaves open is reached, and nothing else",
            async |s| s.is_closed_off("neighbour").await,
        )
        .await?;
    stage
        .step("a test is made and deleted by the API", async |s| {
            s.changes_a_test_by_token("neighbour").await
        })
        .await?;
    stage
        .step("receivers are told", async |s| s.tells(&told).await)
        .await?;
    stage
        .step(
            "a run with everything, from a location with an authority",
            async |s| s.uses_everything_there_is("rights").await,
        )
        .await?;
    let requests = requests_of(OPERATOR, begun)?;
    let places = [&OF_THE_OPERATOR[..], &[Place::Receivers]].concat();
    check(
        &requests,
        &sandboxes(&requests),
        &places,
        &[&told],
        &BY_OTHER_VALUES,
    );
    stage
        .step("it is uninstalled", async |s| {
            s.uninstall_but(&["secret/hook"]).await
        })
        .await?;
    stage.end().await
}

/// By the API server's own record, nothing that is granted is unused, and nothing that is needed is missing.
fn check(
    requests: &[Request],
    sandboxes: &BTreeSet<String>,
    places: &[Place],
    receivers: &[&str],
    settings: &[Setting],
) {
    let map = Map {
        own: NAMESPACE,
        velero: VELERO,
        sandboxes,
        receivers,
    };
    let unused: Vec<String> = places
        .iter()
        .flat_map(|place| unused(requests, *place, &map, settings))
        .collect();
    assert!(
        unused.is_empty(),
        "granted, but never used:\n{}",
        unused.join("\n")
    );
    let missing = missing(requests, sandboxes);
    assert!(
        missing.is_empty(),
        "needed, but not granted:\n{}",
        missing.join("\n")
    );
}
