//! Workloads that Velero says it restored and that are not in their sandbox: not there yet, or deleted since.

use std::collections::BTreeMap;

use crate::velero::results::{ItemAction, ObjectId};

/// Kinds that make pods.
const CONTROLLERS: &[&str] = &[
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "ReplicationController",
    "Job",
    "CronJob",
];

/// Those of one sandbox, as `Kind/name`.
pub(super) fn absent(
    restored: &BTreeMap<ObjectId, ItemAction>,
    is_there: impl Fn(&str) -> bool,
) -> Vec<String> {
    let present = restored
        .iter()
        .filter(|(_, action)| **action == ItemAction::Present);
    let missing = present.filter(|(object, _)| is_lasting(object) && !is_there(&object.display()));
    missing
        .filter(|(object, _)| object.short_kind() != "Pod" || !may_be_replaced(&object.name, restored))
        .map(|(object, _)| object.display())
        .collect()
}

fn is_lasting(object: &ObjectId) -> bool {
    let is_set = matches!(object.short_kind(), "Deployment" | "StatefulSet" | "DaemonSet");
    (is_set && object.group() == "apps") || object.kind == "v1/Pod"
}

/// Whether a controller that came back with a pod may have removed it. Velero's lists name no owners, and a pod that is
/// gone has no labels any more: its name is all there is, and what another product calls its pods nobody knows.
fn may_be_replaced(pod: &str, restored: &BTreeMap<ObjectId, ItemAction>) -> bool {
    restored.keys().any(|object| {
        let name = object.name.as_str();
        let begins = pod.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        let begins_cut = object.cut_name().is_some_and(|base| pod.starts_with(base));
        let is_controller = CONTROLLERS.contains(&object.short_kind());
        (is_controller && (begins || begins_cut)) || (object.is_foreign() && pod.contains(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(restored: &[(&str, &str, ItemAction)], there: &[&str]) -> Vec<String> {
        let restored = restored.iter().map(|(kind, name, action)| {
            let object = ObjectId {
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
            };
            (object, *action)
        });
        absent(&restored.collect(), |object| there.contains(&object))
    }

    const PRESENT: ItemAction = ItemAction::Present;

    #[test]
    fn a_pod_without_a_controller_that_vanishes_is_noticed() {
        let restored = [
            ("v1/Pod", "toolbox", PRESENT),
            ("v1/Pod", "web", PRESENT),
            ("v1/Service", "toolbox", PRESENT),
            ("apps/v1/Deployment", "web", PRESENT),
        ];
        let there = ["Deployment/web", "Pod/web"];
        assert_eq!(gone(&restored, &there), ["Pod/toolbox"]);
        let all = ["Deployment/web", "Pod/web", "Pod/toolbox"];
        assert!(gone(&restored, &all).is_empty());
    }

    #[test]
    fn a_set_of_another_product_is_not_looked_for() {
        let of = |group: &str| {
            let kind = format!("{group}/v1/StatefulSet");
            gone(&[(kind.as_str(), "db", PRESENT)], &[])
        };
        assert_eq!(of("apps"), ["StatefulSet/db"]);
        assert!(of("apps.kruise.io").is_empty());
    }

    #[test]
    fn a_pod_that_did_not_come_back_does_not_vanish() {
        assert!(gone(&[("v1/Pod", "done", ItemAction::Skipped)], &[]).is_empty());
        assert!(gone(&[("v1/Pod", "refused", ItemAction::Failed)], &[]).is_empty());
    }

    #[test]
    fn a_pod_that_its_controller_may_have_replaced_is_not_missed() {
        let long = "x".repeat(70);
        let cut = format!("{}abcde", &long[..58]);
        for (kind, name, pod) in [
            ("apps/v1/Deployment", "web", "web-5d4f-abcde"),
            ("apps/v1/StatefulSet", "db", "db-0"),
            ("v1/ReplicationController", "web-1", "web-1-abcde"),
            ("batch/v1/Job", "migrate", "migrate-abcde"),
            ("apps/v1/ReplicaSet", long.as_str(), cut.as_str()),
            ("kubevirt.io/v1/VirtualMachine", "vm", "virt-launcher-vm-abcde"),
        ] {
            let restored = [(kind, name, ItemAction::Skipped), ("v1/Pod", pod, PRESENT)];
            assert!(gone(&restored, &[]).is_empty(), "{kind}");
        }
        let other = [
            ("apps/v1/Deployment", "web", ItemAction::Skipped),
            ("v1/Pod", "webhook", PRESENT),
        ];
        assert_eq!(gone(&other, &[]), ["Pod/webhook"]);
    }
}
