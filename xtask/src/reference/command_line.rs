//! The command line, from its definition.

use std::fmt::Write;

use anyhow::Result;
use clap::{Arg, Command, CommandFactory};
use kymaros::commands::Cli;

use super::{
    head,
    table::{code, table},
};

pub(super) fn page() -> Result<String> {
    let about = "Every command with everything it takes; [command-line.md](../command-line.md) tells how they are used. \
                 A setting can come from the environment where a variable is named; what stands on the command line wins.";
    let mut text = head("Commands", about);
    let mut program = Cli::command();
    program.build();
    for command in program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        describe(command, "kymaros", &mut text)?;
    }
    Ok(text)
}

fn describe(command: &Command, before: &str, text: &mut String) -> Result<()> {
    let name = format!("{before} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about());
    let usage = command.clone().render_usage().to_string();
    let usage = usage
        .trim_start_matches("Usage:")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    write!(
        text,
        "\n## {name}\n\n{}\n\n```text\n{usage}\n```\n",
        about.map(ToString::to_string).unwrap_or_default()
    )?;
    let rows: Vec<[String; 4]> = command
        .get_arguments()
        .filter(|argument| {
            !argument.is_hide_set() && argument.get_id() != "help" && argument.get_id() != "version"
        })
        .map(row)
        .collect();
    if !rows.is_empty() {
        text.push_str(&table(["argument", "default", "environment", "meaning"], &rows));
    }
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        describe(below, &name, text)?;
    }
    Ok(())
}

fn row(argument: &Arg) -> [String; 4] {
    let value = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .map(|names| {
            names
                .iter()
                .map(|name| format!("<{name}>"))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .unwrap_or_default();
    let name = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("--{long} {value}"),
        (Some(short), None) => format!("-{short} {value}"),
        (None, None) => value,
    };
    let required = if argument.is_required_set() { " *" } else { "" };
    let default: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = if argument.get_action().takes_values() {
        default.join(",")
    } else {
        String::new()
    };
    let variable = argument
        .get_env()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let help = argument
        .get_long_help()
        .or(argument.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|choice| code(choice.get_name()))
        .collect();
    let mut meaning = help.trim_end_matches('.').to_owned();
    if !choices.is_empty() && choices != ["`true`", "`false`"] {
        meaning = format!("{meaning}. One of {}", choices.join(", "));
    }
    [
        format!("{}{required}", code(name.trim())),
        code(&default),
        code(&variable),
        format!("{meaning}."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_is_there() {
        let page = page().unwrap();
        for part in [
            "## kymaros run\n",
            "## kymaros license sign\n",
            "| `--velero-namespace <VELERO_NAMESPACE>` | `velero` | `KYMAROS_VELERO_NAMESPACE` |",
            "`-o, --output <OUTPUT>`",
        ] {
            assert!(page.contains(part), "no {part} in {page}");
        }
        assert!(!page.contains("--help"));
    }
}
