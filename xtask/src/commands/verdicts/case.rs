//! Cases, as written in tests/verdicts.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail};
use kymaros_crds::{Cause, RunResult};
use serde::Deserialize;
use serde_json::Value;

/// One case: an application, a backup of it, and what is known of both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// In words, for the table.
    pub name: String,
    /// `cargo xtask test` plays it too.
    #[serde(default)]
    pub short: bool,
    /// A file in tests/verdicts/apps, without its ending.
    #[serde(default = "small")]
    app: String,
    /// More objects, or other ones in the place of the application's.
    #[serde(default)]
    pub also: String,
    /// What `kubectl` is asked before the backup: to wait until the application is as it should be backed up.
    #[serde(default = "rolled_out")]
    pub before: Vec<Vec<String>>,
    /// Merged into the Backup's spec.
    #[serde(default)]
    pub backup: Value,
    /// What happens to the backup in its storage.
    #[serde(default)]
    pub damage: Option<Damage>,
    /// What `kubectl` is asked after the backup.
    #[serde(default)]
    pub after: Vec<Vec<String>>,
    /// Objects that come then.
    #[serde(default)]
    pub later: String,
    /// What `kubectl` is asked at the end, whatever happened: what does not go with the namespace.
    #[serde(default)]
    pub finally: Vec<Vec<String>>,
    /// Merged into the test's spec.
    #[serde(default)]
    pub test: Value,
    /// What is wrong with the backup; without it the backup is healthy.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// The application's manifests.
    #[serde(skip)]
    pub manifests: String,
}

/// What happens to files of a backup in the bucket. A name may end in `*`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Damage {
    /// They go, as by a rule for the life of objects.
    Remove(String),
    /// They lose their second half.
    Cut(String),
}

/// What the operator has to say of a fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Who is to blame.
    pub cause: Cause,
    /// Some finding names this.
    pub says: String,
    /// The result, where only one is right.
    #[serde(default)]
    pub result: Option<RunResult>,
}

fn small() -> String {
    "small".to_owned()
}

fn rolled_out() -> Vec<Vec<String>> {
    vec![
        ["rollout", "status", "deployment/web", "--timeout=90s"]
            .map(str::to_owned)
            .to_vec(),
    ]
}

/// All cases, in the order of their files.
///
/// # Errors
/// When a file cannot be read or is not what it should be; the message names it.
pub fn all(root: &Path) -> Result<Vec<Case>> {
    let folder = root.join("tests/verdicts");
    let mut files: Vec<_> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let of_file: Vec<Case> =
            serde_saphyr::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        for mut case in of_file {
            let app = folder.join("apps").join(&case.app).with_extension("yaml");
            case.manifests =
                fs::read_to_string(&app).with_context(|| format!("{}: {}", case.name, app.display()))?;
            cases.push(case);
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = cases.iter().find(|case| !names.insert(case.name.as_str())) {
        bail!("two cases are called {}", twice.name);
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::root;

    #[test]
    fn there_are_enough_of_both_kinds_and_of_every_cause() {
        let cases = all(&root()).unwrap();
        let faults: Vec<&Fault> = cases.iter().filter_map(|c| c.fault.as_ref()).collect();
        assert!(faults.len() >= 30, "{} faults", faults.len());
        assert!(
            cases.len() - faults.len() >= 20,
            "{} healthy",
            cases.len() - faults.len()
        );
        for cause in [
            Cause::Backup,
            Cause::RestoreEngine,
            Cause::Sandbox,
            Cause::Application,
        ] {
            let of_cause = faults.iter().filter(|f| f.cause == cause).count();
            assert!(of_cause >= 2, "{of_cause} of {cause:?}");
            let mut short = cases.iter().filter(|c| c.short).filter_map(|c| c.fault.as_ref());
            assert!(short.any(|f| f.cause == cause), "no short case of {cause:?}");
        }
        assert!(cases.iter().any(|c| c.short && c.fault.is_none()));
    }

    #[test]
    fn no_case_waits_for_ever() {
        for case in all(&root()).unwrap() {
            let commands = case.before.iter().chain(&case.after).chain(&case.finally);
            for command in commands.filter(|c| c[0] == "wait" || (c[0] == "rollout" && c[1] == "status")) {
                let is_bounded = command.iter().any(|arg| arg.starts_with("--timeout="));
                assert!(is_bounded, "{}: {command:?}", case.name);
            }
        }
    }
}
