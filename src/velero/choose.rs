//! Choosing the backup of a run: a pure function of the Backups that exist.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use kymaros_crds::{
    domain::{BackupChoice, Source},
    names,
};
use thiserror::Error;

use super::{
    filters::{holds, omits_volumes},
    restore::timestamp,
    types::{Backup, SCHEDULE_NAME_LABEL},
};

/// The backup a run restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Name of the Backup.
    pub name: String,
    /// The Velero Schedule that made it.
    pub schedule: Option<String>,
    /// Velero's phase: `Completed` or `PartiallyFailed`.
    pub phase: String,
    /// When the backup began.
    pub started: Option<Timestamp>,
    /// Its filters leave out `PersistentVolumes`.
    pub omits_volumes: bool,
    /// The `BackupStorageLocation` it is kept in.
    pub location: Option<String>,
}

impl Chosen {
    /// Whether the Backup itself lost something.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.phase == "PartiallyFailed"
    }
}

/// Why no backup could be chosen. All but [`NoBackup::NotFinished`] are facts about backups, found by the test.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoBackup {
    /// The named Backup does not exist.
    #[error("backup {0} does not exist")]
    Missing(String),
    /// The named Backup cannot be restored.
    #[error("backup {name} is {phase} and cannot be restored")]
    NotUsable {
        /// The backup.
        name: String,
        /// Velero's phase.
        phase: String,
    },
    /// Velero has not finished the named Backup, and may yet.
    #[error("backup {name} is not finished: it is {phase}; run again when Velero has completed it")]
    NotFinished {
        /// The backup.
        name: String,
        /// Velero's phase.
        phase: String,
    },
    /// No finished backup matches.
    #[error("no completed backup found {0}")]
    NoneFound(String),
    /// The newest usable backup is older than `maxAge`.
    #[error("backup {name} is {age} old, more than the {max_age} that maxAge allows")]
    TooOld {
        /// The backup.
        name: String,
        /// Its age.
        age: String,
        /// The limit.
        max_age: String,
    },
    /// The backup was made without one of the source namespaces.
    #[error("backup {name} does not include namespace {namespace}")]
    NamespaceNotIncluded {
        /// The backup.
        name: String,
        /// The namespace.
        namespace: String,
    },
}

/// Chooses the backup for a source. `latest` must hold every namespace of the source.
///
/// # Errors
/// [`NoBackup`] says in one sentence why there is none.
pub fn choose<'a>(
    backups: impl IntoIterator<Item = &'a Backup>,
    source: &Source,
    now: Timestamp,
) -> Result<Chosen, NoBackup> {
    let backups = backups.into_iter();
    let chosen = match &source.backup {
        BackupChoice::Named(name) => {
            let backup = backups
                .into_iter()
                .find(|b| b.metadata.name.as_deref() == Some(name))
                .ok_or_else(|| NoBackup::Missing(name.clone()))?;
            if !is_usable(backup) {
                let (name, phase) = (name.clone(), phase(backup).to_owned());
                return Err(if is_under_way(backup) {
                    NoBackup::NotFinished { name, phase }
                } else {
                    NoBackup::NotUsable { name, phase }
                });
            }
            backup
        }
        BackupChoice::Latest => newest(backups.filter(|b| holds_all(b, source))).ok_or_else(|| {
            let names: Vec<_> = source.namespaces.iter().map(|n| n.name.as_str()).collect();
            NoBackup::NoneFound(format!("for namespace {}", names.join(", ")))
        })?,
        BackupChoice::OfSchedule(schedule) => {
            newest(backups.filter(|b| schedule_of(b) == Some(&schedule_label(schedule))))
                .ok_or_else(|| NoBackup::NoneFound(format!("of schedule {schedule}")))?
        }
    };
    let name = chosen.metadata.name.clone().unwrap_or_default();
    if let Some(missing) = source.namespaces.iter().find(|n| !holds(chosen, n.name.as_str())) {
        return Err(NoBackup::NamespaceNotIncluded {
            name,
            namespace: missing.name.to_string(),
        });
    }
    let started = started(chosen);
    if let (Some(max_age), Some(started)) = (source.max_age, started) {
        let age = Duration::try_from(now.duration_since(started)).unwrap_or_default();
        if age > max_age {
            return Err(NoBackup::TooOld {
                name,
                age: kymaros_crds::domain::duration::format(Duration::from_secs(age.as_secs())),
                max_age: kymaros_crds::domain::duration::format(max_age),
            });
        }
    }
    Ok(Chosen {
        name,
        schedule: schedule_of(chosen).cloned(),
        phase: phase(chosen).to_owned(),
        started,
        omits_volumes: omits_volumes(&chosen.spec),
        location: chosen.spec.storage_location.clone(),
    })
}

fn newest<'a>(backups: impl Iterator<Item = &'a Backup>) -> Option<&'a Backup> {
    backups
        .filter(|b| is_usable(b))
        .max_by_key(|b| (started(b), b.metadata.name.clone()))
}

/// The newest usable backup that holds each namespace, with the time it was taken; only of namespaces that one holds.
pub fn newest_by_namespace<'a>(
    backups: impl Iterator<Item = &'a Backup>,
    namespaces: &[String],
) -> BTreeMap<&str, (String, Option<Timestamp>)> {
    let mut usable: Vec<&Backup> = backups.filter(|backup| is_usable(backup)).collect();
    usable.sort_by_cached_key(|backup| std::cmp::Reverse((started(backup), backup.metadata.name.clone())));
    let newest = namespaces.iter().filter_map(|namespace| {
        let backup = usable.iter().find(|backup| holds(backup, namespace))?;
        let name = backup.metadata.name.clone().unwrap_or_default();
        Some((namespace.as_str(), (name, started(backup))))
    });
    newest.collect()
}

fn phase(backup: &Backup) -> &str {
    backup
        .status
        .as_ref()
        .and_then(|s| s.phase.as_deref())
        .unwrap_or("New")
}

/// When a backup began.
#[must_use]
pub fn started(backup: &Backup) -> Option<Timestamp> {
    timestamp(backup.status.as_ref().and_then(|s| s.start_timestamp.as_deref()))
}

fn schedule_of(backup: &Backup) -> Option<&String> {
    backup
        .metadata
        .labels
        .as_ref()
        .and_then(|l| l.get(SCHEDULE_NAME_LABEL))
}

/// The label of a Velero Schedule: Velero cuts a name of more than 63 characters to 57 and six of its SHA-256.
fn schedule_label(name: &str) -> String {
    if name.len() <= 63 {
        return name.to_owned();
    }
    let hash = names::short_hash(name, 3);
    format!("{}{hash}", name.chars().take(57).collect::<String>())
}

/// Whether a backup can be restored: it is finished, and nobody deletes it.
#[must_use]
pub fn is_usable(backup: &Backup) -> bool {
    matches!(phase(backup), "Completed" | "PartiallyFailed") && backup.metadata.deletion_timestamp.is_none()
}

/// Whether Velero has yet to say how a backup ended, by the phases of `velero.io/v1` up to 1.18.
fn is_under_way(backup: &Backup) -> bool {
    const UNDER_WAY: &[&str] = &[
        "New",
        "Queued",
        "ReadyToStart",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
    ];
    UNDER_WAY.contains(&phase(backup)) && backup.metadata.deletion_timestamp.is_none()
}

fn holds_all(backup: &Backup, source: &Source) -> bool {
    source.namespaces.iter().all(|n| holds(backup, n.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velero::types::{BackupSpec, BackupStatus};
    use kymaros_crds::domain::{CompletenessBasis, SourceNamespace};

    fn backup(name: &str, namespaces: &[&str], phase: &str, started: &str, schedule: Option<&str>) -> Backup {
        let mut backup = Backup::new(
            name,
            BackupSpec {
                included_namespaces: Some(namespaces.iter().map(ToString::to_string).collect()),
                ..BackupSpec::default()
            },
        );
        backup.status = Some(BackupStatus {
            phase: Some(phase.into()),
            start_timestamp: Some(started.into()),
            ..Default::default()
        });
        backup.metadata.labels = schedule.map(|s| [(SCHEDULE_NAME_LABEL.to_owned(), s.to_owned())].into());
        backup
    }

    fn source(backup: BackupChoice, namespaces: &[&str]) -> Source {
        Source {
            backup,
            namespaces: namespaces
                .iter()
                .map(|n| SourceNamespace {
                    name: n.parse().unwrap(),
                    sandbox_name: None,
                })
                .collect(),
            label_selector: std::collections::BTreeMap::default(),
            max_age: None,
            completeness: CompletenessBasis::Source,
        }
    }

    fn world() -> Vec<Backup> {
        vec![
            backup(
                "old",
                &["shop", "db"],
                "Completed",
                "2026-01-01T00:00:00Z",
                Some("nightly"),
            ),
            backup("shop-only", &["shop"], "Completed", "2026-01-03T00:00:00Z", None),
            backup(
                "newer",
                &["*"],
                "PartiallyFailed",
                "2026-01-02T00:00:00Z",
                Some("nightly"),
            ),
            backup(
                "broken",
                &["shop", "db"],
                "Failed",
                "2026-01-04T00:00:00Z",
                Some("nightly"),
            ),
        ]
    }

    fn now() -> Timestamp {
        "2026-01-05T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_backup_that_velero_has_not_finished_is_no_bad_one() {
        let named = |phase: &str| {
            let backups = [backup("b", &["shop"], phase, "2026-01-04T00:00:00Z", None)];
            choose(
                &backups,
                &source(BackupChoice::Named("b".into()), &["shop"]),
                now(),
            )
            .unwrap_err()
        };
        for phase in [
            "New",
            "Queued",
            "InProgress",
            "WaitingForPluginOperations",
            "Finalizing",
        ] {
            assert!(matches!(named(phase), NoBackup::NotFinished { .. }), "{phase}");
        }
        for phase in ["Failed", "FailedValidation", "Deleting"] {
            assert!(matches!(named(phase), NoBackup::NotUsable { .. }), "{phase}");
        }
    }

    #[test]
    fn latest_is_the_newest_that_holds_every_namespace() {
        let both = choose(&world(), &source(BackupChoice::Latest, &["shop", "db"]), now()).unwrap();
        assert_eq!((both.name.as_str(), both.is_partial()), ("newer", true));
        let one = choose(&world(), &source(BackupChoice::Latest, &["shop"]), now()).unwrap();
        assert_eq!(one.name, "shop-only");
    }

    #[test]
    fn a_schedule_gives_its_newest_usable_backup() {
        let chosen = choose(
            &world(),
            &source(BackupChoice::OfSchedule("nightly".into()), &["shop"]),
            now(),
        )
        .unwrap();
        assert_eq!(chosen.name, "newer");
        assert_eq!(chosen.schedule.as_deref(), Some("nightly"));
    }

    #[test]
    fn says_why_there_is_none() {
        let named = |n: &str| choose(&world(), &source(BackupChoice::Named(n.into()), &["db"]), now());
        assert_eq!(named("gone"), Err(NoBackup::Missing("gone".into())));
        assert!(matches!(named("broken"), Err(NoBackup::NotUsable { .. })));
        assert!(matches!(
            named("shop-only"),
            Err(NoBackup::NamespaceNotIncluded { .. })
        ));
        let none = choose(&[], &source(BackupChoice::Latest, &["shop"]), now());
        assert_eq!(
            none.unwrap_err().to_string(),
            "no completed backup found for namespace shop"
        );
    }

    #[test]
    fn an_old_backup_is_refused() {
        let mut source = source(BackupChoice::Named("old".into()), &["shop"]);
        source.max_age = Some(Duration::from_hours(24));
        let error = choose(&world(), &source, now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "backup old is 96h old, more than the 24h that maxAge allows"
        );
        source.max_age = Some(Duration::from_hours(1000));
        assert!(choose(&world(), &source, now()).is_ok());
    }

    #[test]
    fn a_long_name_of_a_schedule_is_cut_as_velero_cuts_it() {
        let long = "the-really-long-location-name-that-is-much-more-than-63-characters";
        let cut = "the-really-long-location-name-that-is-much-more-than-63-c69e779";
        assert_eq!(schedule_label(long), cut);
        assert_eq!(
            schedule_label(&long[..63]),
            long[..63],
            "a name that is just short enough"
        );
    }
}
