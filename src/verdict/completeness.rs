//! Level 2, completeness: every object of the backup's resource list is in the sandbox, or its absence is explained.

use std::collections::{BTreeMap, BTreeSet};

use kymaros_crds::{Cause, CompletenessCounts, Finding, FindingLevel, Severity};

use super::{Evidence, Level, SourceEvidence, there::MADE_THERE};
use crate::{
    plan::{Fate, fate},
    reason::FindingReason,
    run::observed::{Came, Fetched},
    source::{
        SourceObjects,
        missing::{is_authority, missing},
    },
    velero::results::{ItemAction, ObjectId},
};

const MAX: u32 = 20;
/// Kinds named that were not looked through.
const MOST_NAMED: usize = 5;

#[derive(Default)]
struct Tally {
    present: usize,
    expected: usize,
    explained: Vec<String>,
    by_kind: BTreeMap<String, (usize, usize)>,
    custom: (usize, usize),
}

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) -> (Level, CompletenessCounts) {
    if !evidence.restored() {
        return (
            Level::not_tested(MAX, "nothing was restored"),
            CompletenessCounts::default(),
        );
    }
    let mut tally = Tally::default();
    for source in &evidence.sources {
        match (source.contents, source.outcome) {
            (Some(_), Some(_)) => object_by_object(source, evidence.came, &mut tally, findings),
            _ => by_counts(source, &mut tally),
        }
        against_source(source, evidence, &mut tally, findings);
        nothing_restored(source, findings);
    }
    let Tally {
        present,
        expected,
        explained,
        by_kind,
        custom,
    } = tally;
    let mut level = Level::share(
        MAX,
        present,
        expected,
        format!("{present} of {expected} objects are in the sandbox"),
    );
    if expected == 0 {
        level = Level {
            points: 0,
            detail: "the restore brought nothing back".to_owned(),
            ..level
        };
    }
    level.not_tested = explained;
    (level, counts(&by_kind, custom))
}

fn object_by_object(
    source: &SourceEvidence<'_>,
    came: Option<&Came>,
    tally: &mut Tally,
    findings: &mut Vec<Finding>,
) {
    let (Some(contents), Some(outcome)) = (source.contents, source.outcome) else {
        return;
    };
    for (namespace, sandbox) in &source.mapping {
        let restored = outcome.restored.objects.get(sandbox);
        for object in contents.objects.get(namespace).into_iter().flatten() {
            if let Some(why) = made_by_cluster(object) {
                tally.explained.push(format!("{}: {why}", object.display()));
                continue;
            }
            match restored.and_then(|r| r.get(object)) {
                Some(ItemAction::Present) => tally.count(object, true),
                Some(ItemAction::Failed | ItemAction::Skipped) if source.was_there(namespace, object) => {
                    tally
                        .explained
                        .push(format!("{}: {MADE_THERE}", object.display()));
                }
                Some(ItemAction::Failed) if source.is_remade(came, namespace, object) => {
                    let why = "refused here, and its controller made another";
                    tally.explained.push(format!("{}: {why}", object.display()));
                }
                Some(ItemAction::Failed) => {
                    tally.count(object, false);
                    let why = "Velero could not restore it";
                    findings.push(match source.failure_of(namespace, object) {
                        Some((cause, said)) => absent(namespace, object, cause, &format!("{why}: {said}")),
                        None => absent(namespace, object, Cause::RestoreEngine, why),
                    });
                }
                Some(ItemAction::Skipped) if object.short_kind() != "PersistentVolumeClaim" => {
                    let why = explanation(source, namespace, object)
                        .unwrap_or("left out by Velero or one of its plugins");
                    tally.explained.push(format!("{}: {why}", object.display()));
                }
                Some(ItemAction::Skipped) | None => {
                    let is_wanted = is_needed(object) && !matches!(fate(object), Fate::Excluded(_));
                    if is_wanted && source.selector.is_empty() && source.goes_with_jobs(namespace, object) {
                        findings.push(left_out_with_jobs(namespace, object));
                    }
                    if let Some(why) = explanation(source, namespace, object) {
                        tally.explained.push(format!("{}: {why}", object.display()));
                    } else {
                        tally.count(object, false);
                        findings.push(absent(
                            namespace,
                            object,
                            source.of_absence(),
                            "it is in the backup and did not come back",
                        ));
                    }
                }
            }
        }
    }
}

impl Tally {
    fn count(&mut self, object: &ObjectId, present: bool) {
        self.expected += 1;
        self.present += usize::from(present);
        let (there, all) = self.by_kind.entry(object.short_kind().to_owned()).or_default();
        *all += 1;
        *there += usize::from(present);
        if object.is_foreign() {
            self.custom.1 += 1;
            self.custom.0 += usize::from(present);
        }
    }
}

/// Without the lists, Velero's own counts are all there is.
fn by_counts(source: &SourceEvidence<'_>, tally: &mut Tally) {
    let (done, all) = source.restore.and_then(|r| r.progress).unwrap_or((0, 0));
    let errors = source.restore.map_or(0, |r| r.errors);
    let size = |n: i64| usize::try_from(n.max(0)).unwrap_or(0);
    tally.expected += size(all);
    tally.present += size(done - errors);
    tally
        .explained
        .push("objects one by one: the lists of backup and restore could not both be read".to_owned());
}

/// The other half: what was in the source when the backup was taken, and is not in the backup.
fn against_source(
    source: &SourceEvidence<'_>,
    evidence: &Evidence<'_>,
    tally: &mut Tally,
    findings: &mut Vec<Finding>,
) {
    let (Some(now), Some(contents)) = (source.source, source.contents) else {
        return;
    };
    let now = match now {
        Fetched::Here(now) => now,
        Fetched::Pending => return,
        Fetched::Unavailable(reason) => {
            findings.push(Finding {
                level: FindingLevel::Completeness,
                severity: Severity::Warning,
                cause: Cause::Sandbox,
                reason: FindingReason::SourceNotListed.into(),
                object: None,
                message: format!(
                    "what the source holds cannot be listed, so the backup was only held against itself: {reason}"
                ),
            });
            return;
        }
    };
    let Some(began) = source.backup.and_then(|b| b.started.as_ref()) else {
        return;
    };
    for namespace in source.mapping.keys() {
        let held = contents.objects.get(namespace).cloned().unwrap_or_default();
        let there = now.objects.get(namespace).map(Vec::as_slice).unwrap_or_default();
        let made_there = made_there(evidence, namespace);
        for object in missing(there, &held, began.0, source.selector, &made_there) {
            tally.count(object, false);
            findings.push(Finding {
                level: FindingLevel::Completeness,
                severity: Severity::Error,
                cause: Cause::Backup,
                reason: FindingReason::ObjectNotInBackup.into(),
                object: Some(object.display()),
                message: format!(
                    "{} was in namespace {namespace} when the backup was taken and is not in it: look at the \
                     filters of the backup",
                    object.display()
                ),
            });
        }
    }
    not_looked_through(now, findings);
}

/// What the sandbox of a namespace got without the backup.
fn made_there<'a>(evidence: &Evidence<'a>, namespace: &str) -> BTreeSet<&'a str> {
    let all = evidence.came.into_iter().flat_map(|came| &came.made_there);
    all.filter(|(of, _)| of == namespace)
        .map(|(_, object)| object.as_str())
        .collect()
}

/// Kinds of other products that the operator may not list. Nothing is known of them, and nothing lost.
fn not_looked_through(now: &SourceObjects, findings: &mut Vec<Finding>) {
    let kinds: Vec<&str> = now.unlisted.iter().map(String::as_str).collect();
    let named = kinds
        .iter()
        .take(MOST_NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match kinds.len() {
        0 => return,
        all if all > MOST_NAMED => format!(" and {} more", all - MOST_NAMED),
        _ => String::new(),
    };
    findings.push(Finding {
        level: FindingLevel::Completeness,
        severity: Severity::Info,
        cause: Cause::Sandbox,
        reason: FindingReason::KindsNotListed.into(),
        object: None,
        message: format!(
            "the source was not looked through for objects of {named}{more}: the operator may not list them; name those \
             that people make in the chart's value completeness.customResources"
        ),
    });
}

/// An empty restore is a failure, never a pass, whatever Velero calls it.
fn nothing_restored(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) {
    for (namespace, sandbox) in &source.mapping {
        let empty = match source.outcome {
            Some(outcome) => outcome.restored.is_empty_for(sandbox),
            None => source
                .restore
                .is_none_or(|r| r.progress.is_none_or(|(done, _)| done == 0)),
        };
        if empty {
            findings.push(Finding {
                level: FindingLevel::Completeness,
                severity: Severity::Error,
                cause: source.of_nothing(namespace, sandbox),
                reason: FindingReason::NothingRestored.into(),
                object: Some(format!("Namespace/{namespace}")),
                message: format!("the restore brought back nothing of namespace {namespace}"),
            });
        }
    }
}

/// Objects that the cluster puts into every namespace. Velero finds them there and calls its own copy failed.
fn made_by_cluster(object: &ObjectId) -> Option<&'static str> {
    is_authority(object).then_some("made by the cluster")
}

/// Why an object of the backup is rightly not in the sandbox.
fn explanation(source: &SourceEvidence<'_>, namespace: &str, object: &ObjectId) -> Option<&'static str> {
    if let Fate::Excluded(why) = fate(object) {
        return Some(why);
    }
    match object.short_kind() {
        "Pod" => Some("finished, or made again by its controller"),
        "Job" => Some("finished"),
        "PodVolumeBackup" | "PodVolumeRestore" | "Event" => Some("never restored"),
        _ if !source.selector.is_empty() => Some("not selected by labelSelector"),
        _ if source.goes_with_jobs(namespace, object) => {
            Some("labelled as a part of a Job, and Jobs stay out")
        }
        _ => None,
    }
}

fn left_out_with_jobs(namespace: &str, object: &ObjectId) -> Finding {
    Finding {
        level: FindingLevel::Completeness,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: FindingReason::LeftOutWithJobs.into(),
        object: Some(object.display()),
        message: format!(
            "{} of namespace {namespace} has a label of Jobs, and what has one is not restored: take it off to have it \
             tested",
            object.display()
        ),
    }
}

/// Whether a test without it proves less than it should, and others may need it.
fn is_needed(object: &ObjectId) -> bool {
    let kinds = [
        "DaemonSet",
        "Deployment",
        "PersistentVolumeClaim",
        "ReplicaSet",
        "ReplicationController",
        "Service",
        "StatefulSet",
    ];
    kinds.contains(&object.short_kind()) || object.is_foreign()
}

fn absent(namespace: &str, object: &ObjectId, cause: Cause, why: &str) -> Finding {
    Finding {
        level: FindingLevel::Completeness,
        severity: Severity::Error,
        cause,
        reason: FindingReason::ObjectNotRestored.into(),
        object: Some(object.display()),
        message: format!(
            "{} of namespace {namespace} is not in the sandbox: {why}",
            object.display()
        ),
    }
}

fn counts(by_kind: &BTreeMap<String, (usize, usize)>, custom: (usize, usize)) -> CompletenessCounts {
    const NAMED: [&str; 5] = [
        "Deployment",
        "Service",
        "Secret",
        "ConfigMap",
        "PersistentVolumeClaim",
    ];
    let show = |kind: &str| {
        let (there, all) = by_kind.get(kind).copied().unwrap_or_default();
        Some(format!("{there}/{all}"))
    };
    CompletenessCounts {
        deployments: show(NAMED[0]),
        services: show(NAMED[1]),
        secrets: show(NAMED[2]),
        config_maps: show(NAMED[3]),
        pvcs: show(NAMED[4]),
        custom_resources: (custom.1 > 0).then(|| format!("{}/{}", custom.0, custom.1)),
    }
}
