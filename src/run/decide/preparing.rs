//! Preparing: which backup, what it holds, is it harmless; and the sandboxes with their fences.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kymaros_crds::{
    Cause, Finding, ResolvedBackup, RunPhase, SandboxStatus,
    domain::{self, CompletenessBasis},
};

use super::{Decision, Effect, judging, run_error};
use crate::{
    plan::{holds_all, refused_volumes},
    reason::RunReason,
    run::{
        observed::{Fetched, Observed, Settings},
        plan,
        queue::QueuePlace,
    },
    velero::{choose::Chosen, results::BackupContents},
};

/// State of a sandbox whose fences are all in place.
pub(super) const READY: &str = "Ready";

pub(super) fn decide(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) {
    if let QueuePlace::Waiting { .. } = observed.place {
        // A foreign Restore appeared before ours was made: step aside.
        return super::queued::call_back(observed, decision, now);
    }
    if !resolve_backups(observed, decision, now) {
        return;
    }
    if let Some(lost) = observed.lost_backups.first() {
        return backup_deleted(decision, lost, now);
    }
    let mut waiting = false;
    for (index, backup) in decision.status.sources.clone().iter().enumerate() {
        match observed.contents.get(index).unwrap_or(&Fetched::Pending) {
            Fetched::Pending => {
                waiting = true;
                decision.effects.push(Effect::FetchContents {
                    source: index,
                    backup: backup.clone(),
                });
            }
            Fetched::Here(contents) => {
                add_to_plan(settings, index, contents, decision);
                if let Some(refusal) = refusal(settings, index, &backup.name, contents) {
                    return decision.end(refusal, now);
                }
                mark_planned(index, decision);
            }
            // The verdict says so, and counts without it.
            Fetched::Unavailable(_) => {}
        }
    }
    look_at_sources(observed, settings, decision);
    waiting |= make_sandboxes(observed, settings, decision, now);
    if !waiting {
        decision
            .effects
            .push(Effect::Watch(plan::targets(&observed.identity, &settings.test)));
        decision.enter(RunPhase::Restoring, now);
    }
}

/// Asks what the source namespaces hold now, so that it is known by the time of the verdict.
pub(super) fn look_at_sources(observed: &Observed, settings: &Settings, decision: &mut Decision) {
    for index in sources_wanted(observed, settings) {
        let namespaces = settings.test.sources[index].namespaces.iter();
        decision.effects.push(Effect::FetchSource {
            source: index,
            namespaces: namespaces.map(|n| n.name.to_string()).collect(),
        });
    }
}

/// The sources of which it is not known yet, and ought to be, what they hold.
pub(super) fn sources_wanted(observed: &Observed, settings: &Settings) -> Vec<usize> {
    let wanted = |(index, source): (usize, &domain::Source)| {
        let pending = observed.sources.get(index).is_none_or(Fetched::is_pending);
        (source.completeness == CompletenessBasis::Source && pending).then_some(index)
    };
    settings
        .test
        .sources
        .iter()
        .enumerate()
        .filter_map(wanted)
        .collect()
}

/// A run that was in the queue again has waited without limit: its backup may have gone, or a newer one come.
pub(super) fn choose_anew(observed: &Observed, decision: &mut Decision, now: Timestamp) {
    use crate::velero::choose::NoBackup::{Missing, NoneFound, NotUsable};
    let before = std::mem::take(&mut decision.status.sources);
    decision.status.plan.clear();
    decision.effects.push(Effect::ForgetContents);
    let mut both = observed.chosen.iter().zip(&before);
    let gone = both.find(|(chosen, _)| matches!(chosen, Err(Missing(_) | NoneFound(_) | NotUsable { .. })));
    if let Some((_, backup)) = gone {
        backup_deleted(decision, &backup.name, now);
    }
}

/// A backup that was there when it was chosen, and went before it was restored, may have been a good one.
pub(super) fn backup_deleted(decision: &mut Decision, backup: &str, now: Timestamp) {
    let message = format!("backup {backup} expired, or somebody deleted it, before it was restored");
    let object = Some(format!("Backup/{backup}"));
    decision.status.reason = Some(RunReason::BackupDeleted.into());
    decision.find(run_error(
        RunReason::BackupDeleted,
        Cause::Sandbox,
        object,
        message,
    ));
    judging::inconclusive(decision, Cause::Sandbox, now);
}

/// The backup of each source is chosen once and kept in the status, so that a crash cannot change it.
fn resolve_backups(observed: &Observed, decision: &mut Decision, now: Timestamp) -> bool {
    if !decision.status.sources.is_empty() {
        return true;
    }
    let mut resolved = Vec::new();
    for chosen in &observed.chosen {
        match chosen {
            Ok(chosen) => resolved.push(resolved_backup(chosen, now)),
            Err(none) => {
                use crate::velero::choose::NoBackup::{
                    Missing, NamespaceNotIncluded, NoneFound, NotFinished, NotUsable, TooOld,
                };
                let reason = match none {
                    Missing(_) | NoneFound(_) => RunReason::BackupNotFound,
                    NotUsable { .. } => RunReason::BackupNotUsable,
                    NotFinished { .. } => RunReason::BackupNotFinished,
                    TooOld { .. } => RunReason::BackupTooOld,
                    NamespaceNotIncluded { .. } => RunReason::NamespaceNotInBackup,
                };
                let cause = match none {
                    NotFinished { .. } => Cause::Sandbox,
                    _ => Cause::Backup,
                };
                decision.end(run_error(reason, cause, None, none.to_string()), now);
                return false;
            }
        }
    }
    decision.status.source = resolved.first().cloned();
    decision.status.sources = resolved;
    true
}

fn resolved_backup(chosen: &Chosen, now: Timestamp) -> ResolvedBackup {
    let age = chosen.started.map(|started| {
        let seconds = u64::try_from(now.duration_since(started).as_secs()).unwrap_or_default();
        domain::duration::format(std::time::Duration::from_secs(seconds))
    });
    ResolvedBackup {
        name: chosen.name.clone(),
        schedule: chosen.schedule.clone(),
        age,
        size: None,
        started: chosen.started.map(Time),
        phase: Some(chosen.phase.clone()),
        location: chosen.location.clone(),
        without_volumes: chosen.omits_volumes.then_some(true),
        planned: None,
    }
}

fn names(namespaces: &[domain::SourceNamespace]) -> Vec<&str> {
    namespaces.iter().map(|n| n.name.as_str()).collect()
}

/// The plan is kept as it was made: the report tells what was meant to happen.
fn add_to_plan(settings: &Settings, index: usize, contents: &BackupContents, decision: &mut Decision) {
    let Some(source) = settings.test.sources.get(index) else {
        return;
    };
    for planned in crate::plan::plan(contents, &names(&source.namespaces)) {
        if !decision.status.plan.contains(&planned) {
            decision.status.plan.push(planned);
        }
    }
}

/// Admission lets volumes of this backup in that are to be retained.
fn mark_planned(index: usize, decision: &mut Decision) {
    if let Some(source) = decision.status.sources.get_mut(index) {
        source.planned = Some(true);
    }
    decision.status.source = decision.status.sources.first().cloned();
}

/// Why nothing may be restored from this backup.
fn refusal(settings: &Settings, index: usize, backup: &str, contents: &BackupContents) -> Option<Finding> {
    let source = settings.test.sources.get(index)?;
    let namespaces = &source.namespaces;
    if let Err(missing) = holds_all(backup, contents, source) {
        let object = Some(format!("Namespace/{}", missing.namespace));
        let reason = RunReason::NamespaceNotInBackup;
        return Some(run_error(reason, Cause::Backup, object, missing.to_string()));
    }
    let namespaces = names(namespaces);
    let mut refused = refused_volumes(contents, &namespaces);
    let shared = refused.next()?;
    let more = match refused.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "the backup has no data of volume {}{more} and its reclaim policy is Retain: Velero would bring it back on the \
         production volume; back up its data (--default-volumes-to-fs-backup, or snapshots) and test that backup",
        shared.pv_name
    );
    // Labels are not in the list of a backup: whether the selector takes the volume is only known when it is too late.
    let (cause, message) = if source.label_selector.is_empty() {
        (Cause::Backup, message)
    } else {
        let unknown = "whether labelSelector takes it cannot be told beforehand";
        (Cause::Sandbox, format!("{message}; {unknown}"))
    };
    let object = format!("PersistentVolumeClaim/{}", shared.pvc_name);
    Some(run_error(
        RunReason::ProductionVolume,
        cause,
        Some(object),
        message,
    ))
}

/// Effects run before the status is written, so `Ready` is only ever read back when the fences stand.
fn make_sandboxes(observed: &Observed, settings: &Settings, decision: &mut Decision, now: Timestamp) -> bool {
    let started = decision.status.started_at.as_ref().map_or(now, |t| t.0);
    let plans = plan::sandboxes(&observed.identity, &settings.test, started);
    let mut made = false;
    for plan in plans {
        let ready = decision
            .status
            .sandboxes
            .iter()
            .any(|s| s.name == plan.name && s.state.as_deref() == Some(READY));
        if ready {
            continue;
        }
        made = true;
        decision.status.sandboxes.push(SandboxStatus {
            source: plan.source.clone(),
            name: plan.name.clone(),
            created: Some(Time(now)),
            state: Some(READY.to_owned()),
        });
        decision.effects.push(Effect::MakeSandbox(Box::new(plan)));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velero::results::VolumeInfo;

    #[test]
    fn whoever_lacks_data_of_a_retained_volume_is_not_told_to_let_production_delete_it() {
        let spec = serde_json::from_value(serde_json::json!({
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
        }))
        .unwrap();
        let settings = Settings {
            test: domain::Test::try_from(&spec).unwrap(),
            checks: vec![],
            missing_policy: None,
            previous: None,
        };
        let volume: VolumeInfo = serde_json::from_value(serde_json::json!({
            "pvcName": "data", "pvcNamespace": "shop", "pvName": "pv-1", "skipped": true,
            "pvInfo": { "reclaimPolicy": "Retain" },
        }))
        .unwrap();
        let mut contents = BackupContents {
            objects: [("shop".to_owned(), [].into())].into(),
            volumes: vec![volume],
            ..BackupContents::default()
        };
        let finding = refusal(&settings, 0, "nightly", &contents).unwrap();
        assert_eq!(finding.reason, RunReason::ProductionVolume.as_str());
        let said = finding.message;
        assert!(
            said.contains("production volume") && said.contains("--default-volumes-to-fs-backup"),
            "{said}"
        );
        assert!(!said.contains("Delete"), "{said}");
        contents.volumes.clear();
        assert_eq!(refusal(&settings, 0, "nightly", &contents), None);
    }
}
