//! `kymaros completions`: what a shell needs to complete commands and flags.

use clap::CommandFactory;
use clap_complete::Shell;

use super::say;

/// For which shell.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
    /// Name that the program is called by
    #[arg(long, default_value = "kymaros")]
    name: String,
}

/// Writes the script to standard output.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    say::verbatim(script(args.shell, args.name))?;
    Ok(())
}

fn script(shell: Shell, name: String) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Cli::command(), name, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell, "kymaros".to_owned())).unwrap();
            for command in super::super::Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }
}
