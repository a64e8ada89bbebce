//! Volume data: whether the backup has it, and whether it arrived.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{SourceEvidence, blame, unread::unread};
use crate::{
    reason::FindingReason,
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
                "the backup holds no data of volume claim {}: {why}",
                volume.pvc_name
            ),
        });
    }
    lost + without_record(source, findings) + not_moved(source, findings)
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

/// Claims in the backup of which Velero recorded no volume at all: nothing was tried.
fn without_record(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let Some(contents) = source.contents else { return 0 };
    let mut lost = 0;
    for namespace in source.mapping.keys() {
        let claims = contents.objects.get(namespace).into_iter().flatten();
        for claim in claims.filter(|o| o.short_kind() == "PersistentVolumeClaim") {
            let recorded = contents
                .volumes
                .iter()
                .any(|v| v.pvc_namespace == *namespace && v.pvc_name == claim.name);
            if !recorded && source.is_selected(namespace, claim) && !source.was_unbound(namespace, claim) {
                lost += 1;
                findings.push(Finding {
                    level: FindingLevel::RestoreIntegrity,
                    severity: Severity::Error,
                    cause: Cause::Backup,
                    reason: FindingReason::VolumeWithoutData.into(),
                    object: Some(claim.display()),
                    message: format!(
                        "the backup holds volume claim {} without any volume data",
                        claim.name
                    ),
                });
            }
        }
    }
    lost
}

/// Volumes whose data the backup has, and of which it did not arrive: a bound claim says nothing about what is in it.
fn not_moved(source: &SourceEvidence<'_>, findings: &mut Vec<Finding>) -> usize {
    let Some(outcome) = source.outcome else { return 0 };
    let Some(movers) = &outcome.movers else {
        if judged(source).any(|(volume, _)| volume.has_data()) {
            findings.push(unread(
                "whether the data of volumes arrived: Velero's data movers cannot be listed",
            ));
        }
        return 0;
    };
    let mut lost = 0;
    for (volume, sandbox) in judged(source).filter(|(volume, _)| volume.has_data()) {
        let movers: Vec<&Mover> = movers.iter().filter(|m| m.namespace == sandbox).collect();
        let Some(trouble) = trouble(volume, &movers, |pod| {
            let pod = ObjectId {
                kind: "v1/Pod".to_owned(),
                name: pod.to_owned(),
            };
            let restored = outcome.restored.objects.get(sandbox);
            restored.and_then(|r| r.get(&pod)) == Some(&ItemAction::Present)
        }) else {
            continue;
        };
        let refused = source.failure_of(&volume.pvc_namespace, &claim(volume));
        let cause = match refused {
            Some((cause, _)) => cause,
            None => blame::of_data_movement(&trouble),
        };
        lost += usize::from(cause != Cause::Sandbox);
        findings.push(Finding {
            level: FindingLevel::RestoreIntegrity,
            severity: Severity::Error,
            cause,
            reason: FindingReason::VolumeDataLost.into(),
            object: Some(format!("PersistentVolumeClaim/{}", volume.pvc_name)),
            message: format!(
                "the data of volume claim {} did not arrive: {trouble}",
                volume.pvc_name
            ),
        });
    }
    lost
}

/// What is wrong with the mover of a volume. A pod that is not restored, such as one of a Job, has none.
fn trouble(volume: &VolumeInfo, movers: &[&Mover], pod_is_back: impl Fn(&str) -> bool) -> Option<String> {
    let info = volume
        .pvb_info
        .as_ref()
        .filter(|_| volume.backup_method == "PodVolumeBackup");
    let mover = movers.iter().find(|m| match (&m.fills, info) {
        (Fills::Claim(claim), _) => *claim == volume.pvc_name,
        (Fills::PodVolume(pod, name), Some(info)) => *pod == info.pod_name && *name == info.volume_name,
        (Fills::PodVolume(..), None) => false,
    });
    let size = info.map_or(0, |i| i.size);
    match mover {
        Some(mover) if !mover.is_done() => Some(mover.trouble()),
        Some(mover) if size > 0 && mover.bytes_done == 0 => Some(format!("none of its {size} bytes came")),
        None if info.is_some_and(|i| !i.pod_name.is_empty() && pod_is_back(&i.pod_name)) => {
            Some("Velero made no data mover for it".to_owned())
        }
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velero::results::PvbInfo;

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
            times: (None, None),
        }
    }

    #[test]
    fn data_has_arrived_when_its_mover_is_done_and_carried_something() {
        let back = |_: &str| true;
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
}
