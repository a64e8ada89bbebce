//! Command lines.

use std::{collections::BTreeSet, fs};

use anyhow::Result;
use clap::CommandFactory;
use kymaros::commands::Cli;
use serde_json::Value;

use super::{
    all_stand_up_to, is_found,
    page::{Page, Piece, root},
};

/// Command lines of ours that our own program does not understand.
fn misunderstood(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for command in of_page(page) {
        for call in calls(&command.text) {
            let Err(error) = Cli::command().try_get_matches_from(&call) else {
                continue;
            };
            let is_help = !error.use_stderr();
            if !is_help {
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default();
                wrong.push(format!("{}: {}: {why}", page.at(command.line), call.join(" ")));
            }
        }
    }
    wrong
}

/// Values of the chart that are set and do not exist.
fn unknown_values(page: &Page) -> Vec<String> {
    let known = values();
    let mut wrong = Vec::new();
    for command in of_page(page) {
        let words = shlex::split(&command.text).unwrap_or_default();
        if !words.iter().any(|word| word == "helm") {
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let (flag, given) = word
                .split_once('=')
                .map_or((word.as_str(), None), |(flag, given)| (flag, Some(given)));
            if !["--set", "--set-string", "--set-json"].contains(&flag) {
                continue;
            }
            let settings = given
                .or(words.get(at + 1).map(String::as_str))
                .unwrap_or_default();
            // JSON has commas of its own.
            let settings: Vec<&str> = match flag {
                "--set-json" => vec![settings],
                _ => settings.split(',').collect(),
            };
            for path in settings
                .iter()
                .map(|setting| setting.split(['=', '[']).next().unwrap_or_default())
            {
                if !known.contains(path) {
                    wrong.push(format!("{}: there is no value {path}", page.at(command.line)));
                }
            }
        }
    }
    wrong
}

/// Charts that are installed without what they depend on, and namespaces that are used before they are there.
fn unready_installs(page: &Page) -> Vec<String> {
    let mut wrong = Vec::new();
    for block in page.blocks.iter().filter(|block| block.language == "sh") {
        let commands = block.commands();
        for (at, command) in commands.iter().enumerate() {
            let place = page.at(command.line);
            let words = shlex::split(&command.text).unwrap_or_default();
            let has = |word: &str| words.iter().any(|known| known == word);
            if has("helm") && has("upgrade") && has("charts/kymaros") && !has("--dependency-update") {
                wrong.push(format!("{place}: helm upgrade without --dependency-update"));
            }
            let Some(namespace) = words.iter().skip_while(|word| *word != "--namespace").nth(1) else {
                continue;
            };
            let among =
                |commands: &[Piece], text: &str| commands.iter().any(|command| command.text.contains(text));
            let comes = among(
                &commands[at + 1..],
                &format!("--namespace {namespace} --create-namespace"),
            );
            let is_there = among(&commands[..at], &format!("create namespace {namespace}"));
            if comes && !is_there {
                wrong.push(format!("{place}: the namespace {namespace} is made later"));
            }
        }
    }
    wrong
}

fn of_page(page: &Page) -> impl Iterator<Item = Piece> {
    let with_commands = |language: &str| matches!(language, "sh" | "console");
    let blocks = page
        .blocks
        .iter()
        .filter(move |block| with_commands(&block.language));
    blocks.flat_map(super::page::Block::commands)
}

/// The calls of our program in a line, each as words: also behind a pipe, and as a plugin of kubectl.
fn calls(line: &str) -> Vec<Vec<String>> {
    let words = shlex::split(line).unwrap_or_default();
    let mut calls = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let name = word.trim_start_matches(['(', '<', '$']);
        let is_command =
            at == 0 || matches!(words[at - 1].as_str(), "|" | "&&" | "||" | "!" | "kubectl") || name != word;
        if name == "kymaros" && is_command {
            let rest = words[at + 1..].iter();
            let ends = |word: &&String| !matches!(word.as_str(), "|" | "&&" | "||" | ">" | ">>" | "<" | "&");
            let own = rest
                .take_while(ends)
                .map(|word| word.trim_end_matches(')').to_owned());
            calls.push(std::iter::once("kymaros".to_owned()).chain(own).collect());
        }
    }
    calls
}

/// The paths of all values of the chart, those in between too.
pub fn values() -> BTreeSet<String> {
    fn walk(values: &Value, before: &str, found: &mut BTreeSet<String>) {
        for (key, below) in values.as_object().into_iter().flatten() {
            let path = if before.is_empty() {
                key.clone()
            } else {
                format!("{before}.{key}")
            };
            walk(below, &path, found);
            found.insert(path);
        }
    }
    let text = fs::read_to_string(root().join("charts/kymaros/values.yaml")).unwrap_or_default();
    let mut found = BTreeSet::new();
    walk(&serde_saphyr::from_str(&text).unwrap_or_default(), "", &mut found);
    found
}

#[test]
fn every_command_line_is_understood() -> Result<()> {
    all_stand_up_to(misunderstood)?;
    for (wrong, named) in [
        ("```sh\nkymaros rnu shop\n```", "rnu"),
        ("```sh\nkubectl kymaros run\n```", "required"),
        (
            "```console\n$ kymaros report x -o yaml\nkymaros none\n```",
            "yaml",
        ),
        ("```sh\nhelm template x | kymaros lint --stict -\n```", "--stict"),
        ("```sh\nsource <(kymaros completions fsh)\n```", "fsh"),
    ] {
        is_found(misunderstood, wrong, named);
    }
    let fine = "```console\n$ kymaros tests -A\nkymaros none\n$ kymaros run \\\n  shop\n```";
    assert_eq!(misunderstood(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}

#[test]
fn charts_and_namespaces_are_there_before_they_are_used() -> Result<()> {
    all_stand_up_to(unready_installs)?;
    for (wrong, named) in [
        (
            "```sh\nhelm upgrade a charts/kymaros --wait\n```",
            "--dependency-update",
        ),
        (
            "```sh\nkubectl --namespace x create secret y\nhelm upgrade a b.tgz --namespace x --create-namespace\n```",
            "namespace x is made later",
        ),
    ] {
        is_found(unready_installs, wrong, named);
    }
    Ok(())
}

#[test]
fn every_value_that_is_set_exists() -> Result<()> {
    assert!(values().len() > 80);
    all_stand_up_to(unknown_values)?;
    for (wrong, named) in [
        (
            "```sh\nhelm install a b --set image.regstry=x\n```",
            "image.regstry",
        ),
        (
            "```sh\nhelm install a b \\\n  --set=replicas=1,sandbx=2\n```",
            "sandbx",
        ),
        (
            "```console\n$ helm upgrade a b --set-json 'velero.caSecret=[]'\n```",
            "velero.caSecret",
        ),
    ] {
        is_found(unknown_values, wrong, named);
    }
    Ok(())
}
