//! Volume data: whether the backup has it, and whether it arrived.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{SourceEvidence, blame, operations, unread::unread};
use crate::{
    reason::FindingReason,
    run::observed::RestoreOutcome,
    velero::{
        movers::{Fills, Mover},
        results::{ItemAction, ObjectId, VolumeInfo},
    },
};

/// Claims that came back without the data they had.
pub(super) fn lost(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let mut lost = 0;
    for (volume, _) in judged(source).filter(|(volume, _)| !volume.has_data()) {
        lost += 1;
        if let Some(by) = volume.left_out_by() {
            findings.push(left_out(volume, by));
            continue;
        }
        let why = match (volume.skipped_reason.as_str(), volume.backup_method.as_str()) {
            ("", "") => "no backup method was used for it".to_owned(),
            ("", method) => format!("{method} failed"),
            (reason, _) => reason.trim_end_matches(';').to_owned(),
        };
        findings.push(Finding {
            level: FindingLevel::RestoreIntegrity,
            severity: Severity::Error,
            cause: Cause::Backup,
            reason: FindingReason::VolumeWithoutData.into(),
            object: Some(format!("PersistentVolumeClaim/{}", volume.pvc_name)),
            message: format!(
                "the backup holds no data of volume claim {} of namespace {}: {why}",
                volume.pvc_name, volume.pvc_namespace
            ),
        });
    }
    lost + without_record(source, findings) + not_moved(source, findings)
}

/// Data that somebody decided not to back up. It cannot come back all the same.
fn left_out(volume: &VolumeInfo, by: &str) -> Finding {
    Finding {
        level: FindingLevel::RestoreIntegrity,
        severity: Severity::Error,
        cause: Cause::Backup,
        reason: FindingReason::VolumeLeftOut.into(),
        object: Some(format!("PersistentVolumeClaim/{}", volume.pvc_name)),
        message: format!(
            "the backup leaves out the data of volume claim {} of namespace {} on purpose, by {by}",
            volume.pvc_name, volume.pvc_namespace
        ),
    }
}

/// The recorded volumes that the test restores, and the sandbox of each.
fn judged<'a>(source: &'a SourceEvidence<'_>) -> impl Iterator<Item = (&'a VolumeInfo, &'a str)> {
    let volumes = source.contents.into_iter().flat_map(|c| &c.volumes);
    volumes.filter_map(|volume| {
        let sandbox = source.mapping.get(&volume.pvc_namespace)?;
        let selected = source.is_selected(&volume.pvc_namespace, &claim(volume));
        selected.then_some((volume, sandbox.as_str()))
    })
}

fn claim(volume: &VolumeInfo) -> ObjectId {
    ObjectId {
        kind: "v1/PersistentVolumeClaim".to_owned(),
        name: volume.pvc_name.clone(),
    }
}

/// Claims in the backup of which Velero recorded no volume at all: nothing was tried, or the pod through which it was backed
/// up was gone when Velero wrote its records. Velero fills such a volume all the same, and tells it by its pod.
fn without_record(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let Some(contents) = source.contents else { return 0 };
    let mut lost = 0;
    for (namespace, sandbox) in &source.mapping {
        let claims = contents.objects.get(namespace).into_iter().flatten();
        let claims = claims.filter(|claim| {
            let mut recorded = contents.volumes.iter();
            claim.short_kind() == "PersistentVolumeClaim"
                && !recorded.any(|v| v.pvc_namespace == *namespace && v.pvc_name == claim.name)
                && source.is_selected(namespace, claim)
                && !source.was_unbound(namespace, claim)
        });
        let claims: Vec<&ObjectId> = claims.collect();
        let may_be_filled = claims.len() <= filled_without_record(source, namespace, sandbox);
        for claim in claims {
            if may_be_filled {
                findings.push(unread(&format!(
                    "whether the data of volume claim {} of namespace {namespace} came: Velero filled a volume of which the \
                     backup has no record, and this claim has none",
                    claim.name
                )));
                continue;
            }
            lost += 1;
            findings.push(Finding {
                level: FindingLevel::RestoreIntegrity,
                severity: Severity::Error,
                cause: Cause::Backup,
                reason: FindingReason::VolumeWithoutData.into(),
                object: Some(claim.display()),
                message: format!(
                    "the backup holds volume claim {} of namespace {namespace} without any volume data",
                    claim.name
                ),
            });
        }
    }
    lost
}

/// How many volumes Velero filled in a sandbox of which it has no record. One that belongs to no claim is recorded without a
/// namespace.
fn filled_without_record(source: &SourceEvidence<'_>, namespace: &str, sandbox: &str) -> usize {
    let (Some(contents), Some(outcome)) = (source.contents, source.outcome) else {
        return 0;
    };
    let is_of = |volume: &VolumeInfo, mover: &Mover| {
        (volume.pvc_namespace.is_empty() || volume.pvc_namespace == namespace)
            && mover_of(volume, &[mover]).is_some()
    };
    let movers = movers_into(outcome, sandbox).into_iter();
    movers
        .filter(|mover| mover.is_done() && !contents.volumes.iter().any(|volume| is_of(volume, mover)))
        .count()
}

/// Volumes whose data the backup has, and of which it did not arrive: a bound claim says nothing about what is in it.
fn not_moved(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let Some(outcome) = source.outcome else { return 0 };
    if outcome.movers.is_none() {
        if judged(source).any(|(volume, _)| volume.has_data()) {
            findings.push(unread(
                "whether the data of volumes arrived: Velero's data movers cannot be listed",
            ));
        }
        return 0;
    }
    let mut lost = 0;
    for (volume, sandbox) in judged(source).filter(|(volume, _)| volume.has_data()) {
        if is_not_filled(source, outcome, volume, sandbox) {
            findings.push(never_filled(volume));
            continue;
        }
        let movers = movers_into(outcome, sandbox);
        let is_back = is_back(outcome, sandbox);
        let of_pod = refusal_of_pod(source, volume).filter(|_| is_empty(volume, &movers, &is_back));
        let no_pod = || of_pod.map(|(_, why)| format!("its pod was not restored: {why}"));
        let Some(trouble) = trouble(volume, &movers, &is_back).or_else(no_pod) else {
            findings.extend(cut_short(volume, &movers));
            continue;
        };
        let refused = source
            .failure_of(&volume.pvc_namespace, &claim(volume))
            .or(of_pod);
        let cause = match refused {
            Some((cause, _)) => cause,
            None => match blame::of_data_movement(&trouble) {
                // What Velero says of it may tell more than the data mover itself.
                Cause::RestoreEngine => operations::cause_of_claim(source, sandbox, &volume.pvc_name)
                    .unwrap_or(Cause::RestoreEngine),
                cause => cause,
            },
        };
        lost += usize::from(cause != Cause::Sandbox);
        findings.push(Finding {
            level: FindingLevel::RestoreIntegrity,
            severity: Severity::Error,
            cause,
            reason: FindingReason::VolumeDataLost.into(),
            object: Some(format!("PersistentVolumeClaim/{}", volume.pvc_name)),
            message: format!(
                "the data of volume claim {} of namespace {} did not arrive: {trouble}",
                volume.pvc_name, volume.pvc_namespace
            ),
        });
    }
    lost
}

/// Whether a finding about the data mover of a claim says that its data did not arrive.
pub(super) fn tells_of(source: &SourceEvidence<'_>, sandbox: &str, name: &str) -> bool {
    let Some(outcome) = source.outcome.filter(|o| o.movers.is_some()) else {
        return false;
    };
    let is_it = |volume: &VolumeInfo, of: &str| of == sandbox && volume.pvc_name == name && volume.has_data();
    judged(source)
        .filter(|(volume, of)| is_it(volume, of))
        .any(|(volume, of)| trouble(volume, &movers_into(outcome, of), is_back(outcome, of)).is_some())
}

fn movers_into<'a>(outcome: &'a RestoreOutcome, sandbox: &str) -> Vec<&'a Mover> {
    let movers = outcome.movers.iter().flatten();
    movers.filter(|m| m.namespace == sandbox).collect()
}

fn is_back(outcome: &RestoreOutcome, sandbox: &str) -> impl Fn(&ObjectId) -> bool {
    let restored = outcome.restored.objects.get(sandbox);
    move |object| restored.and_then(|r| r.get(object)) == Some(&ItemAction::Present)
}

/// Whether a claim came back, and the pod did not through which Velero fills it.
fn is_empty(volume: &VolumeInfo, movers: &[&Mover], is_back: impl Fn(&ObjectId) -> bool) -> bool {
    let is_out = pod_of(volume).is_some_and(|pod| !is_back(&pod));
    is_out && mover_of(volume, movers).is_none() && is_back(&claim(volume))
}

/// Claims that came back without their data for no other reason than that the test does not restore the pod through which
/// Velero fills them: it is of a Job, or the labels of the test leave it out.
pub(super) fn not_filled<'a>(source: &'a SourceEvidence<'_>) -> impl Iterator<Item = &'a VolumeInfo> {
    let outcome = source.outcome.filter(|outcome| outcome.movers.is_some());
    let volumes = judged(source).filter(|(volume, _)| volume.has_data());
    volumes
        .filter(move |(volume, sandbox)| outcome.is_some_and(|o| is_not_filled(source, o, volume, sandbox)))
        .map(|(volume, _)| volume)
}

fn is_not_filled(
    source: &SourceEvidence<'_>,
    outcome: &RestoreOutcome,
    volume: &VolumeInfo,
    sandbox: &str,
) -> bool {
    let movers = movers_into(outcome, sandbox);
    is_empty(volume, &movers, is_back(outcome, sandbox)) && refusal_of_pod(source, volume).is_none()
}

/// Why the pod could not be restored through which Velero fills a volume, and who is to blame for that.
fn refusal_of_pod<'a>(source: &'a SourceEvidence<'_>, volume: &VolumeInfo) -> Option<(Cause, &'a str)> {
    source.failure_of(&volume.pvc_namespace, &pod_of(volume)?)
}

fn never_filled(volume: &VolumeInfo) -> Finding {
    let through = volume.of_files().map_or("", |files| files.pod_name.as_str());
    Finding {
        level: FindingLevel::RestoreIntegrity,
        severity: Severity::Warning,
        cause: Cause::Sandbox,
        reason: FindingReason::VolumeNotFilled.into(),
        object: Some(format!("PersistentVolumeClaim/{}", volume.pvc_name)),
        message: format!(
            "volume claim {} of namespace {} came back empty: Velero fills it through pod {through}, which the test does not \
             restore",
            volume.pvc_name, volume.pvc_namespace
        ),
    }
}

/// What is wrong with the mover of a volume. A pod that is not restored, such as one of a Job, has none.
fn trouble(volume: &VolumeInfo, movers: &[&Mover], is_back: impl Fn(&ObjectId) -> bool) -> Option<String> {
    let needs_one = || match volume.of_files() {
        Some(_) => pod_of(volume).is_some_and(|pod| is_back(&pod)),
        None => volume.snapshot_data_moved && is_back(&claim(volume)),
    };
    let size = volume.bytes();
    match mover_of(volume, movers) {
        Some(mover) if !mover.is_done() => Some(mover.trouble()),
        Some(mover) if size > 0 && mover.bytes_done == 0 => Some(format!("none of its {size} bytes came")),
        // Velero keeps no snapshot of a volume in which there was nothing.
        None if needs_one() && !volume.was_empty() => Some("Velero made no data mover for it".to_owned()),
        Some(_) | None => None,
    }
}

/// The pod through which Velero fills a volume.
pub(super) fn pod_of(volume: &VolumeInfo) -> Option<ObjectId> {
    let name = &volume.of_files()?.pod_name;
    (!name.is_empty()).then(|| ObjectId {
        kind: "v1/Pod".to_owned(),
        name: name.clone(),
    })
}

fn mover_of<'a>(volume: &VolumeInfo, movers: &[&'a Mover]) -> Option<&'a Mover> {
    let is_of = |mover: &Mover| match (&mover.fills, volume.of_files()) {
        (Fills::Claim(claim), _) => *claim == volume.pvc_name,
        (Fills::PodVolume(pod, name), Some(files)) => *pod == files.pod_name && *name == files.volume_name,
        (Fills::PodVolume(..), None) => false,
    };
    movers.iter().copied().find(|mover| is_of(mover))
}

/// A mover that Velero calls done, and that counts less than it had to carry. Its last count may only have been lost.
fn cut_short(volume: &VolumeInfo, movers: &[&Mover]) -> Option<Finding> {
    let mover = mover_of(volume, movers).filter(|_| volume.bytes() > 0)?;
    let (done, total) = (mover.bytes_done, mover.bytes_total);
    (done < total).then(|| {
        unread(&format!(
            "whether all data of volume claim {} of namespace {} came: its data mover is done and counts {done} of \
             {total} bytes",
            volume.pvc_name, volume.pvc_namespace
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velero::results::{MovementInfo, PvbInfo};

    fn volume() -> VolumeInfo {
        VolumeInfo {
            pvc_name: "data".into(),
            backup_method: "PodVolumeBackup".into(),
            pvb_info: Some(PvbInfo {
                size: 40,
                pod_name: "db-0".into(),
                volume_name: "files".into(),
                ..PvbInfo::default()
            }),
            ..VolumeInfo::default()
        }
    }

    fn mover(phase: &str, bytes_done: i64) -> Mover {
        Mover {
            namespace: "sb".into(),
            fills: Fills::PodVolume("db-0".into(), "files".into()),
            phase: phase.into(),
            message: "no space".into(),
            bytes_done,
            bytes_total: 40,
            times: (None, None),
        }
    }

    #[test]
    fn data_has_arrived_when_its_mover_is_done_and_carried_something() {
        let back = |_: &ObjectId| true;
        assert_eq!(trouble(&volume(), &[&mover("Completed", 40)], back), None);
        assert!(
            trouble(&volume(), &[&mover("Completed", 0)], back)
                .unwrap()
                .contains("40 bytes")
        );
        assert!(
            trouble(&volume(), &[&mover("Failed", 10)], back)
                .unwrap()
                .contains("no space")
        );
        assert!(trouble(&volume(), &[], back).unwrap().contains("no data mover"));
    }

    #[test]
    fn a_pod_that_stays_out_needs_no_mover() {
        assert_eq!(trouble(&volume(), &[], |_| false), None);
        let snapshot = VolumeInfo {
            backup_method: "NativeSnapshot".into(),
            ..volume()
        };
        assert_eq!(trouble(&snapshot, &[], |_| true), None);
    }

    #[test]
    fn a_claim_without_the_pod_that_fills_it_is_empty() {
        let files = volume();
        let claim_is_back = |object: &ObjectId| *object == claim(&files);
        assert!(is_empty(&files, &[], claim_is_back));
        let said = never_filled(&files).message;
        assert!(said.contains("through pod db-0"), "{said}");
        assert!(!is_empty(&files, &[], |_| true), "its mover is missed then");
        assert!(!is_empty(&files, &[], |_| false), "the claim stayed out, too");
        assert!(!is_empty(&files, &[&mover("Completed", 40)], claim_is_back));
        let snapshot = VolumeInfo {
            backup_method: "NativeSnapshot".into(),
            pvb_info: None,
            ..volume()
        };
        assert!(!is_empty(&snapshot, &[], claim_is_back));
    }

    #[test]
    fn a_snapshot_that_was_moved_comes_back_by_a_mover_that_carried_something() {
        let moved = |by: &str| VolumeInfo {
            backup_method: "CSISnapshot".into(),
            snapshot_data_moved: true,
            snapshot_data_movement_info: Some(MovementInfo {
                data_mover: by.into(),
                size: 40,
            }),
            pvb_info: None,
            ..volume()
        };
        let volume = moved("velero");
        assert!(
            trouble(&volume, &[], |o| *o == claim(&volume))
                .unwrap()
                .contains("no data mover")
        );
        assert_eq!(trouble(&volume, &[], |_| false), None, "the claim stayed out");
        let download = |bytes_done: i64| Mover {
            fills: Fills::Claim("data".into()),
            ..mover("Completed", bytes_done)
        };
        let none = trouble(&volume, &[&download(0)], |_| true).unwrap();
        assert!(none.contains("40 bytes"), "{none}");
        assert_eq!(trouble(&volume, &[&download(40)], |_| true), None);
        let of_others = moved("example.com");
        assert_eq!(
            trouble(&of_others, &[&download(0)], |_| true),
            None,
            "other movers need not count"
        );
    }

    #[test]
    fn a_mover_that_is_done_and_counts_less_than_all_proves_nothing() {
        let finding = cut_short(&volume(), &[&mover("Completed", 10)]).unwrap();
        assert!(finding.message.contains("10 of 40 bytes"), "{}", finding.message);
        assert_eq!(cut_short(&volume(), &[&mover("Completed", 40)]), None);
        assert_eq!(cut_short(&volume(), &[]), None);
    }
}
