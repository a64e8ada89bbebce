//! `kymaros lint`: the verdicts of the webhook on files, without a cluster.
//!
//! Files become documents with places, documents become objects, and objects are judged among each other; what only a
//! cluster can know is named once and refused nowhere.

mod among;
mod document;
mod input;
mod judge;
mod object;
mod output;
mod report;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::ValueEnum;

use self::report::Outcome;
use super::say;

/// What to judge.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Files and folders (all *.yaml, *.yml and *.json below); - is standard input, for example of `helm template` or
    /// `kustomize build`
    #[arg(required = true)]
    paths: Vec<String>,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t = Output::Human)]
    output: Output,
    /// Warnings fail too
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// One line a finding, with file and line
    Human,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Exit code 0: all is well; 1: something is wrong; 2: something could not be read.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = judge::judge(input::all(&args.paths));
    let text = match args.output {
        Output::Human => output::human(&report),
        Output::Json => output::json(&report)?,
        Output::Sarif => output::sarif(&report)?,
    };
    say::verbatim(text)?;
    Ok(match report.outcome(args.strict) {
        Outcome::Clean => ExitCode::SUCCESS,
        Outcome::Wrong => ExitCode::from(1),
        Outcome::Unread => ExitCode::from(2),
    })
}
