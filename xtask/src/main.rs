//! Developer commands of Kymaros: `cargo xtask --help`.

mod commands;
mod operator;
mod reference;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // The test cluster runs a copy of this program; that copy is no command line for people.
    if let Some(code) = kymaros_testbed::machine::dispatch() {
        return code;
    }
    match commands::run(commands::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
