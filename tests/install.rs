//! The chart in a real cluster: from nothing, through upgrades, to nothing. It installs and removes the operator that
//! other tests use, so `cargo xtask test` runs what begins with `alone` by itself, after them.

mod helm;
mod stage;
mod story;

use anyhow::Result;
use stage::Stage;

#[tokio::test]
async fn alone_from_nothing_to_nothing_by_helm() -> Result<()> {
    life(Stage::set("helm").await?).await
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
    stage.end().await
}

#[tokio::test]
async fn alone_as_gitops_tools_install_it() -> Result<()> {
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
