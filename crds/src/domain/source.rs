//! A backup and what of it is restored.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    label,
    name::{self, NamespaceName},
    problems::{Problems, set},
};
use crate::{BackupSource, CompletenessBasis, RestoreTestSpec};

/// A backup and what of it is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which backup.
    pub backup: BackupChoice,
    /// The namespaces to restore; never empty.
    pub namespaces: Vec<SourceNamespace>,
    /// Only objects with all of these labels; empty: all objects.
    pub label_selector: BTreeMap<String, String>,
    /// How old the backup may be.
    pub max_age: Option<Duration>,
    /// What completeness is measured against.
    pub completeness: CompletenessBasis,
}

/// Which backup of a source is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupChoice {
    /// The Velero Backup of this name.
    Named(String),
    /// The newest usable one that holds every namespace of the source.
    Latest,
    /// The newest usable one of the Velero Schedule of this name.
    OfSchedule(String),
}

/// A namespace in the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceNamespace {
    /// Its name when it was backed up.
    pub name: NamespaceName,
    /// The name its sandbox must have.
    pub sandbox_name: Option<NamespaceName>,
}

impl Source {
    /// Ages beyond ten years are slips.
    const MAX_AGE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(10 * 366 * 24));
    /// As in the schema.
    const MAX_NAMESPACES: usize = 32;

    /// The raw sources of a test with their paths: `backupSource` first, then the additional ones.
    pub fn specs(spec: &RestoreTestSpec) -> impl Iterator<Item = (String, &BackupSource)> {
        let paths = (0..).map(|index| format!("spec.additionalSources[{index}]"));
        let additional = paths.zip(&spec.additional_sources);
        std::iter::once(("spec.backupSource".to_owned(), &spec.backup_source)).chain(additional)
    }

    pub(super) fn parse(spec: &BackupSource, path: &str, problems: &mut Problems) -> Self {
        let (shortest, longest) = Self::MAX_AGE;
        let max_age = problems.duration(
            &format!("{path}.maxAge"),
            spec.max_age.as_deref(),
            shortest,
            longest,
        );
        Self {
            backup: backup(spec, path, problems),
            namespaces: namespaces(&spec.namespaces, &format!("{path}.namespaces"), problems),
            label_selector: label::parse_selector(
                &spec.label_selector,
                &format!("{path}.labelSelector"),
                problems,
            ),
            max_age,
            completeness: spec.completeness.unwrap_or_default(),
        }
    }
}

/// `latest` beside a schedule says nothing new.
fn backup(spec: &BackupSource, path: &str, problems: &mut Problems) -> BackupChoice {
    let named = named_backup(spec);
    let schedule = set(spec.schedule_name.as_deref());
    let name_path = format!("{path}.backupName");
    if let Some(name) = named {
        problems.ok(&name_path, name, name::subdomain(name));
    }
    if let Some(schedule) = schedule {
        problems.ok(
            &format!("{path}.scheduleName"),
            schedule,
            name::subdomain(schedule),
        );
    }
    match (named, schedule) {
        (None, None) => BackupChoice::Latest,
        (None, Some(schedule)) => BackupChoice::OfSchedule(schedule.to_owned()),
        (Some(name), None) => BackupChoice::Named(name.to_owned()),
        (Some(name), Some(_)) => {
            problems.report(&name_path, name, "excludes scheduleName; keep one of the two");
            BackupChoice::Named(name.to_owned())
        }
    }
}

fn namespaces(specs: &[crate::SourceNamespace], path: &str, problems: &mut Problems) -> Vec<SourceNamespace> {
    if specs.is_empty() {
        problems.report(path, "[]", "is empty; name at least one namespace to restore");
    }
    if specs.len() > Source::MAX_NAMESPACES {
        let message = format!(
            "has {} namespaces; {} is the most in one source",
            specs.len(),
            Source::MAX_NAMESPACES
        );
        problems.report(path, format!("{} namespaces", specs.len()), message);
    }
    let mut parsed = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let name_path = format!("{path}[{index}].name");
        let name = problems.ok(&name_path, &spec.name, spec.name.parse::<NamespaceName>());
        if name.as_ref().is_some_and(NamespaceName::is_system) {
            let message =
                "belongs to the cluster or to Velero and is never copied; name a namespace of an application";
            problems.report(&name_path, &spec.name, message);
        }
        let sandbox_name = set(spec.sandbox_name.as_deref()).and_then(|sandbox| {
            let path = format!("{path}[{index}].sandboxName");
            let parsed = problems.ok(&path, sandbox, sandbox.parse::<NamespaceName>())?;
            if parsed.is_system() || parsed.as_str() == "default" {
                problems.report(
                    &path,
                    sandbox,
                    "belongs to the cluster or to Velero; choose another name",
                );
            }
            Some(parsed)
        });
        parsed.extend(name.map(|name| SourceNamespace { name, sandbox_name }));
    }
    parsed
}

/// Rules between all sources: each namespace is restored once, no sandbox is in the place of another or of a source,
/// and no backup is restored twice the same way. They work on what was written, to name the very field.
pub(super) fn check_all(sources: &[(String, &BackupSource)], problems: &mut Problems) {
    let all: Vec<(String, &crate::SourceNamespace)> = sources
        .iter()
        .flat_map(|(path, source)| {
            let paths = (0..).map(move |index| format!("{path}.namespaces[{index}]"));
            paths.zip(&source.namespaces)
        })
        .collect();
    let mut names = BTreeSet::new();
    let mut sandboxes = BTreeSet::new();
    for (path, namespace) in &all {
        if !namespace.name.is_empty() && !names.insert(namespace.name.as_str()) {
            let message = "is named twice; restore each namespace once in a test";
            problems.report(&format!("{path}.name"), &namespace.name, message);
        }
        if let Some(sandbox) = set(namespace.sandbox_name.as_deref())
            && !sandboxes.insert(sandbox)
        {
            let message = "is the sandboxName of two namespaces; give each its own";
            problems.report(&format!("{path}.sandboxName"), sandbox, message);
        }
    }
    for (path, namespace) in &all {
        if let Some(sandbox) = set(namespace.sandbox_name.as_deref())
            && names.contains(sandbox)
        {
            let message = "is a sandboxName and a namespace to restore; production is never a sandbox";
            problems.report(&format!("{path}.sandboxName"), sandbox, message);
        }
    }
    let mut backups = BTreeSet::new();
    for (path, source) in sources {
        if let Some(name) = named_backup(source)
            && !backups.insert((name, &source.label_selector))
        {
            let message = "is the backup of another source too; list all its namespaces there";
            problems.report(&format!("{path}.backupName"), name, message);
        }
    }
}

/// `latest` names no backup: 0.6.9 wanted a `backupName` in every manifest.
fn named_backup(spec: &BackupSource) -> Option<&str> {
    set(spec.backup_name.as_deref()).filter(|name| *name != "latest")
}
