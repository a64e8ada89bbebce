//! `cargo xtask test`: everything that must hold, on a real cluster.

use std::time::Instant;

use anyhow::Result;
use kymaros_testbed::cluster;

use crate::{
    operator::{cargo, deploy},
    terminal::Terminal,
};

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
    let step = |what: &str| println!("── {what} ({:.0} s so far)", begun.elapsed().as_secs_f64());
    step("format");
    cargo(["fmt", "--all", "--", "--check"])?;
    step("lints");
    cargo([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])?;
    let filter = args.filter.as_deref().unwrap_or_default();
    step("unit tests");
    cargo(["test", "--quiet", "--workspace", "--lib", "--bins", filter])?;
    if !args.quick {
        step("test cluster");
        let terminal = Terminal::new();
        let cluster = cluster::up(None, &terminal).await?;
        step("operator");
        let client = cluster.client().await?;
        deploy(&cluster, &client, &terminal).await?;
        step("tests on the cluster");
        // They mostly wait for the cluster, so more of them than there are cores.
        cargo([
            "test",
            "--workspace",
            "--test",
            "*",
            filter,
            "--",
            "--test-threads=6",
            "--skip=alone",
        ])?;
        if filter.is_empty() || "verdicts".contains(filter) {
            step("verdicts");
            super::verdicts::short().await?;
        }
        step("tests that install and remove the operator");
        cargo([
            "test",
            "--workspace",
            "--test",
            "install",
            filter,
            "--",
            "--test-threads=1",
        ])?;
    }
    step("all tests passed");
    Ok(())
}
