//! The command line: one file a command, wiring only.

mod cluster;
mod completions;
mod coverage;
mod crds;
mod license;
mod lint;
mod operator;
mod plan;
mod ready;
mod report;
mod run;
mod say;
mod table;
mod test_list;
mod uninstall;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
    // Of a flag that is given twice the last one counts, and a list gets longer: the chart writes nearly all flags, and
    // `extraArgs` come after them.
    #[command(args_override_self = true)]
    Operator(Box<operator::Args>),
    /// Show what a run of a test would do: which backup, and what becomes of each kind of object.
    Plan(plan::Args),
    /// Run a test now, follow it, and end with a code that says its result.
    Run(run::Args),
    /// Show a report: score by level, checks, timeline and findings.
    Report(report::Args),
    /// List tests: last result, score, and next run.
    Tests(test_list::Args),
    /// Show which namespaces are proven to be restorable, and how old the proof is.
    Coverage(coverage::Args),
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
    /// Write completions for a shell.
    Completions(completions::Args),
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Name of the program's file by which kubectl finds it as a plugin.
const PLUGIN: &str = "kubectl-kymaros";

impl Cli {
    /// Reads a command line, and ends the process with help where it cannot be understood.
    #[must_use]
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = named(arguments.first()).get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command. Commands that answer a question do so with the exit code too.
    ///
    /// # Errors
    /// What went wrong, in words for a person.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Operator(args) => operator::run(*args).await?,
            Command::Plan(args) => plan::run(args).await?,
            Command::Run(args) => return run::run(args).await,
            Command::Report(args) => report::run(args).await?,
            Command::Tests(args) => test_list::run(args).await?,
            Command::Coverage(args) => coverage::run(args).await?,
            Command::Crds => crds::run()?,
            Command::Ready(args) => ready::run(args).await?,
            Command::Uninstall(args) => uninstall::run(args).await?,
            Command::Lint(args) => return lint::run(&args),
            Command::License(args) => return license::run(args),
            Command::Completions(args) => completions::run(args)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The command line under the name it was called by: as a plugin of kubectl its help says what people type.
fn named(program: Option<&OsString>) -> clap::Command {
    let stem = program.and_then(|program| Path::new(program).file_stem());
    let command = Cli::command();
    if stem.is_some_and(|stem| stem == PLUGIN) {
        command.bin_name("kubectl kymaros")
    } else {
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_says_what_people_type() {
        let usage = |program: &str| {
            let program = OsString::from(program);
            let error = named(Some(&program)).try_get_matches_from([program, "run".into()]);
            error.unwrap_err().to_string()
        };
        assert!(usage("/usr/local/bin/kymaros").contains("Usage: kymaros run"));
        assert!(usage("/usr/local/bin/kubectl-kymaros").contains("Usage: kubectl kymaros run"));
    }

    #[test]
    fn the_documentation_names_every_command() {
        let documentation = include_str!("../../docs/command-line.md");
        for command in Cli::command().get_subcommands() {
            let name = format!("`kymaros {}", command.get_name());
            assert!(documentation.contains(&name), "{name}");
        }
    }
}
