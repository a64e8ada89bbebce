//! The same loss in two namespaces is two losses.

use super::*;
use crate::velero::results::PvbInfo;

/// Two namespaces with the same objects, and the same lost in both.
fn torn() -> Seen {
    let mut seen = Seen::healthy();
    let claim = |name: &str| object("v1/PersistentVolumeClaim", name);
    let volume = |name: &str, namespace: &str| VolumeInfo {
        pvc_name: name.into(),
        pvc_namespace: namespace.into(),
        backup_method: "PodVolumeBackup".into(),
        pvb_info: Some(PvbInfo {
            size: 40,
            pod_name: "db-0".into(),
            volume_name: "files".into(),
            ..PvbInfo::default()
        }),
        ..VolumeInfo::default()
    };
    let objects: BTreeMap<ObjectId, ItemAction> = [
        object("apps/v1/Deployment", "web"),
        object("v1/Pod", "db-0"),
        claim("skipped"),
        claim("unrecorded"),
        claim("unfilled"),
    ]
    .into_iter()
    .map(|o| (o, ItemAction::Present))
    .chain([(object("v1/Secret", "s"), ItemAction::Failed)])
    .collect();
    let workload = seen.came.workloads[0].clone();
    seen.contents.volumes.clear();
    seen.came.workloads.clear();
    seen.backup.without_volumes = Some(true);
    for (namespace, sandbox) in [("shop", "sb"), ("blog", "sb-2")] {
        seen.mapping.insert(namespace.into(), sandbox.into());
        let held = objects.keys().cloned().collect();
        seen.contents.objects.insert(namespace.into(), held);
        seen.contents.volumes.push(VolumeInfo {
            skipped: true,
            ..volume("skipped", namespace)
        });
        seen.contents.volumes.push(volume("unfilled", namespace));
        seen.outcome
            .restored
            .objects
            .insert(sandbox.into(), objects.clone());
        let stuck = WorkloadState::Hopeless(Trouble::new(Cause::Application, "it crashes"));
        for (name, state, ready) in [
            ("Deployment/web", workload.state.clone(), 1),
            ("Deployment/worker", stuck, 0),
        ] {
            seen.came.workloads.push(Workload {
                source: namespace.into(),
                object: name.into(),
                restarts: 1,
                most_restarts: 1,
                state,
                ready,
                ..workload.clone()
            });
        }
    }
    seen
}

#[test]
fn a_finding_says_in_which_namespace_it_was_made() {
    let findings = torn().judge().findings;
    let of = |namespace: &str| -> Vec<(String, String)> {
        let here = format!(" of namespace {namespace}");
        let mut told: Vec<_> = findings
            .iter()
            .filter(|f| f.message.contains(&here))
            .map(|f| (f.reason.clone(), f.message.replace(&here, "")))
            .collect();
        told.sort();
        told
    };
    let shop = of("shop");
    let reasons: Vec<&str> = shop.iter().map(|(reason, _)| reason.as_str()).collect();
    let wanted = [
        "ObjectNotRestored",
        "VolumeDataLost",
        "VolumeWithoutData",
        "VolumeWithoutData",
        "WorkloadNotReady",
        "WorkloadRestarted",
    ];
    assert_eq!(reasons, wanted, "{findings:?}");
    assert_eq!(shop, of("blog"));
    assert_eq!(
        findings.len(),
        2 * wanted.len(),
        "one names no namespace: {findings:?}"
    );
}
