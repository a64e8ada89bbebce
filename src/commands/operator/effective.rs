//! The flags as they apply, and where each value comes from, for people who look at the dashboard.

use clap::{Arg, ArgMatches, Command, CommandFactory, parser::ValueSource};

use crate::{commands::Cli, dashboard::Setting};

/// Under which heading flags without one stand.
const GROUP: &str = "Operator";

/// Those of this process.
pub(super) fn settings() -> Vec<Setting> {
    let mut command = Cli::command();
    let matches = command.get_matches_mut();
    let found = matches.subcommand().and_then(|(name, matches)| {
        let command = command.find_subcommand(name)?;
        Some(of(command, matches))
    });
    found.unwrap_or_default()
}

fn of(command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let flags = command
        .get_arguments()
        .filter(|flag| !flag.is_hide_env_values_set());
    flags.filter_map(|flag| setting(flag, matches)).collect()
}

/// Nothing for `--help` and the like, which have no value.
fn setting(flag: &Arg, matches: &ArgMatches) -> Option<Setting> {
    let id = flag.get_id().as_str();
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => "command line".to_owned(),
        Some(ValueSource::EnvVariable) => format!("environment {}", flag.get_env()?.to_string_lossy()),
        Some(_) => "default".to_owned(),
        None if flag.get_action().takes_values() => "not set".to_owned(),
        None => return None,
    };
    let values = matches.try_get_raw(id).ok()?;
    let values: Vec<_> = values
        .into_iter()
        .flatten()
        .map(|value| value.to_string_lossy())
        .collect();
    Some(Setting {
        group: flag.get_help_heading().unwrap_or(GROUP).to_owned(),
        name: flag.get_long()?.to_owned(),
        value: values.join(" "),
        source,
        help: flag.get_help().map(ToString::to_string).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_told_with_its_value_and_where_that_comes_from() {
        let mut command = Cli::command();
        let line = [
            "kymaros",
            "operator",
            "--concurrent-runs=7",
            "--metrics-secure=false",
        ];
        let matches = command.try_get_matches_from_mut(line).unwrap();
        let (_, matches) = matches.subcommand().unwrap();
        let settings = of(command.find_subcommand("operator").unwrap(), matches);
        let told = |name: &str| {
            let found = settings.iter().find(|setting| setting.name == name).unwrap();
            (found.group.as_str(), found.value.as_str(), found.source.as_str())
        };
        assert_eq!(told("concurrent-runs"), ("Operator", "7", "command line"));
        assert_eq!(told("metrics-secure"), ("Metrics", "false", "command line"));
        assert_eq!(told("default-ttl"), ("Defaults of tests", "30m", "default"));
        assert!(settings.iter().all(|setting| !setting.help.is_empty()));
        assert!(!settings.iter().any(|setting| setting.name == "help"));
    }
}
