//! The command line: one file a command, wiring only.

mod crds;
mod license;
mod lint;
mod operator;
mod plan;
mod ready;
mod report;
mod uninstall;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Proves, again and again, that Velero backups can be restored.
#[derive(Parser, Debug)]
#[command(name = "kymaros", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the operator in a cluster.
    Operator(Box<operator::Args>),
    /// Show what a run of a test would do: which backup, and what becomes of each kind of object.
    Plan(plan::Args),
    /// Show a report: score by level, checks, timeline and findings.
    Report(report::Args),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Wait until an operator is ready.
    Ready(ready::Args),
    /// Stop the operator and remove everything that needs it; tests and reports stay.
    Uninstall(uninstall::Args),
    /// Judge manifests without a cluster, as the webhook would.
    Lint(lint::Args),
    /// Make license keys, or say what one opens.
    License(license::Args),
}

impl Cli {
    /// Runs the command. Commands that answer a question do so with the exit code too.
    ///
    /// # Errors
    /// What went wrong, in words for a person.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Operator(args) => operator::run(*args).await?,
            Command::Plan(args) => plan::run(args).await?,
            Command::Report(args) => report::run(args).await?,
            Command::Crds => crds::run()?,
            Command::Ready(args) => ready::run(args).await?,
            Command::Uninstall(args) => uninstall::run(args).await?,
            Command::Lint(args) => return lint::run(&args),
            Command::License(args) => return license::run(args),
        }
        Ok(ExitCode::SUCCESS)
    }
}
