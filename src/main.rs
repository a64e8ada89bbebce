//! The `kymaros` program: parses the command line and calls one command.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use kymaros::commands::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::read(std::env::args_os()).run().await {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be left to read it.
            let _ = writeln!(stderr(), "kymaros: {error:#}");
            ExitCode::FAILURE
        }
    }
}
