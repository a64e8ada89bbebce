//! The plan of a run: what becomes of everything in a backup, made before anything is restored and held against what
//! came back.

mod audit;
mod dry_run;
mod excluded;
mod fate;
mod held;

pub use audit::escapes;
pub use dry_run::{NoPlan, SourcePlan, VolumePlan, dry_run};
pub use fate::{Fate, excluded_resources, fate};
pub use held::{NotInBackup, holds_all};

use std::collections::BTreeMap;

use kymaros_crds::{PlanAction, PlannedKind};

use crate::velero::results::{BackupContents, VolumeInfo};

/// Volumes that would come back on production's own disks: the backup has no data of them, and their policy is Retain.
pub fn refused_volumes<'a>(
    contents: &'a BackupContents,
    namespaces: &[&str],
) -> impl Iterator<Item = &'a VolumeInfo> {
    let volumes = contents.volumes.iter();
    volumes
        .filter(move |v| namespaces.contains(&v.pvc_namespace.as_str()) && v.returns_on_production_handle())
}

/// What becomes of the objects of these namespaces, by kind: what is not simply kept first.
#[must_use]
pub fn plan(contents: &BackupContents, namespaces: &[&str]) -> Vec<PlannedKind> {
    let mut counts: BTreeMap<(PlanAction, &str, Option<&'static str>), i32> = BTreeMap::new();
    let of_test = contents
        .objects
        .iter()
        .filter(|(namespace, _)| namespaces.contains(&namespace.as_str()));
    for object in of_test.flat_map(|(_, objects)| objects) {
        let (action, reason) = match fate(object) {
            Fate::Kept => (PlanAction::Kept, None),
            Fate::Rewritten(how) => (PlanAction::Rewritten, Some(how)),
            Fate::Excluded(why) => (PlanAction::Excluded, Some(why)),
        };
        *counts.entry((action, &object.kind, reason)).or_default() += 1;
    }
    let refused = refused_volumes(contents, namespaces).map(|volume| PlannedKind {
        kind: "v1/PersistentVolumeClaim".to_owned(),
        action: PlanAction::Refused,
        objects: 1,
        reason: Some(format!(
            "{} would come back on production's own volume {}",
            volume.pvc_name, volume.pv_name
        )),
    });
    let by_kind = counts
        .into_iter()
        .map(|((action, kind, reason), objects)| PlannedKind {
            kind: kind.to_owned(),
            action,
            objects,
            reason: reason.map(str::to_owned),
        });
    refused.chain(by_kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velero::results::PvInfo;

    #[test]
    fn every_object_of_the_test_is_in_the_plan_and_no_other() {
        let list = serde_json::from_value(serde_json::json!({
            "v1/ConfigMap": ["shop/a", "shop/b", "other/c"],
            "networking.k8s.io/v1/Ingress": ["shop/front"],
            "batch/v1/CronJob": ["shop/nightly"],
        }))
        .unwrap();
        let volume = |pvc_namespace: &str, pv_name: &str| VolumeInfo {
            pvc_name: "data".into(),
            pvc_namespace: pvc_namespace.into(),
            pv_name: pv_name.into(),
            pv_info: Some(PvInfo {
                reclaim_policy: "Retain".into(),
            }),
            ..VolumeInfo::default()
        };
        let volumes = ["pv-1", "pv-2"].map(|name| volume("shop", name)).into_iter();
        let volumes = volumes.chain([volume("other", "pv-3")]).collect();
        let plan = plan(&BackupContents::new(&list, volumes), &["shop"]);
        let seen: Vec<_> = plan
            .iter()
            .map(|p| (p.action, p.kind.as_str(), p.objects))
            .collect();
        assert_eq!(
            seen,
            [
                (PlanAction::Refused, "v1/PersistentVolumeClaim", 1),
                (PlanAction::Refused, "v1/PersistentVolumeClaim", 1),
                (PlanAction::Rewritten, "batch/v1/CronJob", 1),
                (PlanAction::Excluded, "networking.k8s.io/v1/Ingress", 1),
                (PlanAction::Kept, "v1/ConfigMap", 2),
            ]
        );
    }

    #[test]
    fn a_plan_names_every_kind_however_many_there_are() {
        let kinds = (0..200).map(|kind| (format!("example.com/v1/Kind{kind}"), vec!["shop/a".to_owned()]));
        let list: BTreeMap<String, Vec<String>> = kinds.collect();
        let plan = plan(&BackupContents::new(&list, Vec::new()), &["shop"]);
        assert_eq!(plan.len(), 200);
    }
}
