//! Velero's Schedules, and the tests that prove what they make.

use std::{collections::BTreeSet, sync::Arc};

use kube::ResourceExt;
use kymaros_crds::{BackupSource, RestoreTest, domain::Source};
use schemars::JsonSchema;
use serde::Serialize;

use crate::velero::Schedule;

/// A Schedule of Velero. Clients of 0.6.9 read the capitalised names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScheduleRow {
    /// Its name.
    #[serde(rename = "name")]
    pub name: String,
    /// Its cron expression.
    #[serde(rename = "cron")]
    pub cron: String,
    /// The namespaces it backs up; `*` for all.
    #[serde(rename = "namespaces")]
    pub namespaces: Vec<String>,
    /// When it last made a backup.
    #[serde(rename = "lastBackup")]
    pub last_backup: String,
    /// Whether it makes none for now.
    #[serde(rename = "paused")]
    pub paused: bool,
    /// Velero's word for its state.
    #[serde(rename = "phase")]
    pub phase: String,
    /// Tests that name it, or restore a namespace of it from whatever backup is newest, as `namespace/name`.
    #[serde(rename = "tests")]
    pub tests: Vec<String>,
    #[serde(rename = "Name")]
    old_name: String,
    #[serde(rename = "Cron")]
    old_cron: String,
    #[serde(rename = "Namespaces")]
    old_namespaces: Vec<String>,
    #[serde(rename = "LastBackup")]
    old_last_backup: String,
}

pub(super) fn schedules(schedules: &[Arc<Schedule>], tests: &[Arc<RestoreTest>]) -> Vec<ScheduleRow> {
    let mut rows: Vec<ScheduleRow> = schedules.iter().map(|schedule| row(schedule, tests)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn row(schedule: &Schedule, tests: &[Arc<RestoreTest>]) -> ScheduleRow {
    let name = schedule.name_any();
    let template = schedule.spec.template.clone().unwrap_or_default();
    let mut namespaces = template.included_namespaces.unwrap_or_default();
    if namespaces.is_empty() {
        namespaces.push("*".to_owned());
    }
    let status = schedule.status.clone().unwrap_or_default();
    let of_test = |test: &Arc<RestoreTest>| {
        let proves = Source::specs(&test.spec).any(|(_, source)| proves(source, &name, &namespaces));
        proves.then(|| format!("{}/{}", test.namespace().unwrap_or_default(), test.name_any()))
    };
    let tests: BTreeSet<String> = tests.iter().filter_map(of_test).collect();
    let cron = schedule.spec.schedule.clone().unwrap_or_default();
    let last_backup = status.last_backup.unwrap_or_default();
    ScheduleRow {
        old_name: name.clone(),
        old_cron: cron.clone(),
        old_namespaces: namespaces.clone(),
        old_last_backup: last_backup.clone(),
        name,
        cron,
        namespaces,
        last_backup,
        paused: schedule.spec.paused.unwrap_or_default(),
        phase: status.phase.unwrap_or_default(),
        tests: tests.into_iter().collect(),
    }
}

fn proves(source: &BackupSource, schedule: &str, namespaces: &[String]) -> bool {
    let set = |text: &Option<String>| text.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let (named, of) = (set(&source.backup_name), set(&source.schedule_name));
    if !of.is_empty() {
        return of == schedule;
    }
    let takes_newest = named.is_empty() || named == "latest";
    let is_held = |name: &str| namespaces.iter().any(|held| held == "*" || held == name);
    takes_newest && source.namespaces.iter().any(|namespace| is_held(&namespace.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::sample::{read, shared, test};

    #[test]
    fn a_schedule_is_told_in_both_spellings_with_the_tests_that_prove_it() {
        let nightly: Schedule = read(json!({
            "metadata": { "name": "nightly", "namespace": "velero" },
            "spec": { "schedule": "0 1 * * *", "template": { "includedNamespaces": ["shop"] } },
            "status": { "phase": "Enabled", "lastBackup": "2026-01-01T01:00:00Z" },
        }));
        let all: Schedule = read(json!({ "metadata": { "name": "all" }, "spec": {} }));
        let mut named = test("ops", "blog");
        named.spec.backup_source.schedule_name = Some("nightly".into());
        let mut fixed = test("ops", "shop");
        fixed.metadata.name = Some("fixed".into());
        fixed.spec.backup_source.backup_name = Some("b-1".into());
        let rows = schedules(
            &shared([nightly, all]),
            &shared([test("ops", "shop"), named, fixed]),
        );
        assert_eq!(rows[0].tests, ["ops/shop"]);
        assert_eq!(rows[1].tests, ["ops/blog", "ops/shop"]);
        let json = serde_json::to_value(&rows[1]).unwrap();
        for (old, new, value) in [
            ("Name", "name", json!("nightly")),
            ("Cron", "cron", json!("0 1 * * *")),
            ("Namespaces", "namespaces", json!(["shop"])),
            ("LastBackup", "lastBackup", json!("2026-01-01T01:00:00Z")),
        ] {
            assert_eq!((&json[old], &json[new]), (&value, &value));
        }
        assert_eq!(
            serde_json::to_value(&rows[0]).unwrap()["Namespaces"],
            json!(["*"])
        );
    }
}
