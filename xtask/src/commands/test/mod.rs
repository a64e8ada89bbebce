//! `cargo xtask test`: everything that must hold, on a real cluster.

mod executables;
mod files;
mod side_by_side;

use std::time::Instant;

use anyhow::{Context, Result};
use kymaros_testbed::cluster::{self, Cluster};

use self::{executables::build, files::Ground, side_by_side::run_all};
use crate::{
    operator::{Build, cargo, deploy},
    terminal::Terminal,
};

/// Files of tests that share the cluster at a time. They mostly wait for it; more would wait for Velero, which restores
/// one backup after the other.
const AT_ONCE: usize = 2;

/// What to leave out.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub own: super::own_cluster::OwnCluster,
    /// Only what needs no cluster: format, lints and unit tests
    #[arg(long)]
    quick: bool,
    /// Only tests with this in their name
    filter: Option<String>,
}

/// Runs all tests.
pub async fn run(args: Args) -> Result<()> {
    let begun = Instant::now();
    let step = move |what: &str| println!("── {what} ({:.0} s so far)", begun.elapsed().as_secs_f64());
    let filter = args.filter.as_deref().unwrap_or_default();
    step("format");
    cargo(["fmt", "--all", "--", "--check"]).await?;
    if args.quick {
        without_cluster(filter, step).await?;
        step("pages of the dashboard and of the manual");
        let pages = ["test", "--quiet", "--test", "dashboard", "--test", "manual"];
        cargo(pages.into_iter().chain([filter, "--", "--skip=in_a_browser"])).await?;
        step("all tests passed");
        return Ok(());
    }
    // The cluster's parts wait for each other.
    let ready = tokio::spawn(ready(step));
    without_cluster(filter, step).await?;
    let cluster = ready.await.context("preparing the cluster")??;
    on_the_cluster(&cluster, filter, step).await?;
    step("all tests passed");
    Ok(())
}

async fn without_cluster(filter: &str, step: impl Fn(&str)) -> Result<()> {
    step("lints");
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets"];
    cargo(lints.into_iter().chain(["--", "--deny", "warnings"])).await?;
    step("unit tests");
    cargo(["test", "--quiet", "--workspace", "--lib", "--bins", filter]).await
}

/// The test cluster, with the operator of this clone in it.
async fn ready(step: impl Fn(&str)) -> Result<Cluster> {
    let terminal = Terminal::new();
    step("test cluster, beside the others");
    let cluster = cluster::up(None, &terminal).await?;
    step("operator, beside the others");
    deploy(&cluster, &cluster.client().await?, Build::Checked, &terminal).await?;
    step("the cluster is ready");
    Ok(cluster)
}

async fn on_the_cluster(cluster: &Cluster, filter: &str, step: impl Fn(&str)) -> Result<()> {
    step("building the tests on the cluster");
    let mut all = build(files::all(cluster.is_test_cluster())?).await?;
    let mut on = |ground| {
        all.extract_if(.., |file| files::ground(&file.name) == ground)
            .collect()
    };
    let (own, shared, alone) = (on(Ground::Own), on(Ground::Shared), on(Ground::Alone));
    let installs = on(Ground::Operator);
    step("tests on the cluster");
    let options = [filter, "--test-threads=6"];
    // Those that have the cluster for themselves mostly wait, which leaves the processors to what needs no cluster.
    let on_the_cluster = async {
        let alone = run_all(alone, 1, &options).await;
        alone.and(run_all(shared, AT_ONCE, &options).await)
    };
    let (beside, on_the_cluster) = tokio::join!(run_all(own, 1, &options), on_the_cluster);
    beside.and(on_the_cluster)?;
    if filter.is_empty() || "verdicts".contains(filter) {
        step("verdicts");
        super::verdicts::short().await?;
    }
    step("tests that install and remove the operator");
    let mut options = vec![filter, "--test-threads=1"];
    if !cluster.is_test_cluster() {
        // It reads what the API server recorded.
        options.push("--skip=every_right");
    }
    run_all(installs, 1, &options).await
}
