//! `cargo xtask test`: everything that must hold, on a real cluster.

use std::{fs, time::Instant};

use anyhow::Result;
use kymaros_testbed::cluster;

use crate::{
    operator::{cargo, deploy, root},
    terminal::Terminal,
};

/// Tests that need the inside of the test cluster: its storage, its network, its programs.
const INSIDE: [&str; 13] = [
    "cert_manager",
    "certificates",
    "chart_install",
    "clusters",
    "foreign_kinds",
    "guides",
    "network_policy",
    "policies",
    "process",
    "prometheus",
    "snapshots",
    "storage",
    "velero_away",
];

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
    step("pages of the dashboard and of the manual");
    cargo([
        "test",
        "--quiet",
        "--test",
        "dashboard",
        "--test",
        "manual",
        filter,
        "--",
        "--skip=in_a_browser",
    ])?;
    if !args.quick {
        step("test cluster");
        let terminal = Terminal::new();
        let cluster = cluster::up(None, &terminal).await?;
        step("operator");
        let client = cluster.client().await?;
        deploy(&cluster, &client, &terminal).await?;
        step("tests on the cluster");
        let mut tests = ["test", "--workspace", "--no-fail-fast"]
            .map(str::to_owned)
            .to_vec();
        for name in files(cluster.is_test_cluster())? {
            tests.extend(["--test".to_owned(), name]);
        }
        // They mostly wait for the cluster, so more of them than there are cores.
        tests.extend([filter, "--", "--test-threads=6", "--skip=alone"].map(str::to_owned));
        cargo(tests.iter().map(String::as_str))?;
        if filter.is_empty() || "verdicts".contains(filter) {
            step("verdicts");
            super::verdicts::short().await?;
        }
        step("tests that install and remove the operator");
        let mut installs = vec!["test", "--workspace", "--test", "install"];
        if cluster.is_test_cluster() {
            installs.extend(["--test", "guides"]);
        }
        installs.extend([filter, "--", "--test-threads=1"]);
        if !cluster.is_test_cluster() {
            // It reads what the API server recorded.
            installs.push("--skip=every_right");
        }
        cargo(installs)?;
    }
    step("all tests passed");
    Ok(())
}

/// The files of tests, as cargo names them. A cluster of the user's own has no inside for us.
fn files(is_test_cluster: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["tests", "tests/testbed/tests"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            let is_file = path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned());
            names.extend(name.filter(|_| is_file));
        }
    }
    names.retain(|name| is_test_cluster || !INSIDE.contains(&name.as_str()));
    // Two packages may have a file of the same name.
    names.sort();
    names.dedup();
    Ok(names)
}
