//! The `kymaros` program: parses the command line and calls one command.

use std::process::ExitCode;

use clap::Parser;
use kymaros::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kymaros: {error:#}");
            ExitCode::FAILURE
        }
    }
}
