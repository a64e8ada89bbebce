//! One file a command.

mod bench;
mod cluster;
mod compatibility;
mod demo;
mod generate;
mod image;
mod own_cluster;
mod screenshots;
mod test;
mod verdicts;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Developer commands of Kymaros.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the main job on a real cluster: a healthy backup and a damaged one.
    Demo(demo::Args),
    /// Run everything that must hold: format, lints, unit tests, and tests on a real cluster.
    Test(test::Args),
    /// Measure the time the operator adds to a run, its memory, and how its messages arrive.
    Bench(bench::Args),
    /// Test the tester: restore faulty and healthy backups and see whether the verdicts are true.
    Verdicts(verdicts::Args),
    /// Write what is generated from types: the custom resource definitions.
    Generate,
    /// Write the images of operator and tests, and load the operator's into the test cluster.
    Image,
    /// Take the pictures of the dashboard in docs/screenshots.
    Screenshots,
    /// Try definitions and chart on API servers of other versions, before a release.
    Compatibility,
    /// The test cluster: a real one-node Kubernetes with a real Velero.
    #[command(subcommand)]
    Cluster(cluster::Command),
}

/// Runs what the command line says.
pub fn run(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match cli.command {
        Command::Demo(args) if args.own.is_chosen() => args.own.again(),
        Command::Test(args) if args.own.is_chosen() => args.own.again(),
        Command::Demo(args) => runtime.block_on(demo::run(args)),
        Command::Test(args) => runtime.block_on(test::run(args)),
        Command::Verdicts(args) => runtime.block_on(verdicts::run(args)),
        Command::Bench(args) => runtime.block_on(bench::run(args)),
        Command::Generate => generate::run(),
        Command::Image => runtime.block_on(image::run()),
        Command::Screenshots => runtime.block_on(screenshots::run()),
        Command::Compatibility => runtime.block_on(compatibility::run()),
        Command::Cluster(command) => runtime.block_on(cluster::run(command)),
    }
}
