//! Volume claims and their data.

use super::*;
use crate::velero::{
    movers::{Fills, Mover},
    results::PvbInfo,
};

#[test]
fn lost_volume_data_fails_whatever_the_score() {
    let mut seen = Seen::healthy();
    seen.contents.volumes[0].skipped = true;
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Fail, Some(Cause::Backup))
    );
    seen.contents.volumes.clear();
    seen.backup.without_volumes = Some(true);
    assert_eq!(
        seen.judge().result,
        RunResult::Fail,
        "a claim of which no volume was recorded"
    );
}

#[test]
fn a_volume_that_a_policy_leaves_out_is_said_and_does_not_pass() {
    let mut seen = Seen::healthy();
    seen.contents.volumes[0].skipped = true;
    seen.contents.volumes[0].skipped_reason = "any: skipped due to resource policy ;".into();
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Backup)),
        "{:?}",
        verdict.findings
    );
    assert!(
        verdict.findings[0]
            .message
            .contains("on purpose, by its resource policy")
    );
    let mut other = seen.contents.volumes[0].clone();
    other.skipped_reason.clear();
    seen.contents.volumes.push(other);
    assert_eq!(seen.judge().result, RunResult::Fail, "another one is lost");
}

#[test]
fn data_that_comes_through_a_pod_which_is_not_restored_is_not_proven_and_who_misses_it_is_not_accused() {
    let mut seen = Seen::healthy();
    seen.contents.volumes[0].pvb_info = Some(PvbInfo {
        pod_name: "web-1".into(),
        ..PvbInfo::default()
    });
    seen.outcome.movers = Some(vec![]);
    let result = |seen: &Seen| {
        let verdict = seen.judge();
        (verdict.result, verdict.cause)
    };
    assert_eq!(result(&seen), (RunResult::Partial, Some(Cause::Sandbox)));
    seen.checks[0].status = CheckResult::Fail;
    let accused = (RunResult::Partial, Some(Cause::Application));
    assert_eq!(
        result(&seen),
        accused,
        "the pod is of a Job, which has a volume for itself"
    );
    let spoiled = (RunResult::Inconclusive, Some(Cause::Sandbox));
    seen.came.workloads[0].claims = ["d".to_owned()].into();
    assert_eq!(result(&seen), spoiled, "a workload has the same volume");
    let mut other = seen.came.workloads[0].clone();
    other.claims.clear();
    let trouble = Trouble::of_application(true, "no such command");
    other.state = WorkloadState::Crashed(trouble.clone());
    seen.came.workloads.push(other);
    assert_eq!(result(&seen), accused, "one that has none has a fault of its own");
    seen.came.workloads[1].claims = ["d".to_owned()].into();
    assert_eq!(result(&seen), spoiled, "the command may be on the volume");
    seen.came.workloads.pop();
    seen.came.workloads[0].source = "other".into();
    assert_eq!(result(&seen), accused, "another one of that name");
    seen.selector = [("tier".to_owned(), "front".to_owned())].into();
    assert_eq!(result(&seen), spoiled);
    let error = "error restoring pods/sb/web-1: admission webhook \"x\" denied the request";
    let refused = BTreeMap::from([("sb".to_owned(), vec![error.to_owned()])]);
    seen.outcome.results.errors.namespaces = Some(refused);
    let verdict = seen.judge();
    let lost = verdict.findings.iter().find(|f| f.reason == "VolumeDataLost");
    let lost = lost.unwrap();
    assert!(
        lost.message.contains("its pod was not restored") && lost.cause == Cause::Sandbox,
        "{lost:?}"
    );
    seen.outcome.results.errors.namespaces = None;
    seen.outcome.movers = Some(vec![Mover {
        namespace: "sb".into(),
        fills: Fills::PodVolume("web-1".into(), String::new()),
        phase: "Completed".into(),
        message: String::new(),
        bytes_done: 1,
        bytes_total: 1,
        times: (None, None),
    }]);
    assert_eq!(result(&seen), accused);
}

#[test]
fn a_claim_that_had_no_volume_when_the_backup_was_taken_has_no_data_to_lose() {
    let mut seen = Seen::healthy();
    seen.contents.volumes.clear();
    seen.backup.without_volumes = Some(true);
    let mut result = |created: &str, bound: Option<&str>| {
        let claim = SourceObject {
            id: object("v1/PersistentVolumeClaim", "d"),
            labels: BTreeMap::new(),
            bound: bound.map(|at| at.parse().unwrap()),
            created: created.parse().unwrap(),
        };
        let objects = [("shop".to_owned(), vec![claim])].into();
        seen.source = Fetched::Here(Arc::new(SourceObjects {
            objects,
            ..SourceObjects::default()
        }));
        seen.judge().result
    };
    // The backup began at midnight.
    let (before, after) = ("2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(result(before, None), RunResult::Pass, "nothing ever used it");
    assert_eq!(
        result(before, Some(after)),
        RunResult::Pass,
        "its data is younger than the backup"
    );
    assert_eq!(result(before, Some(before)), RunResult::Fail);
    assert_eq!(
        result(after, Some(after)),
        RunResult::Fail,
        "another claim of that name tells nothing of the one in the backup"
    );
}

#[test]
fn without_the_source_a_backup_that_records_volumes_tells_whether_a_claim_had_one() {
    let mut seen = Seen::healthy();
    seen.contents.volumes.clear();
    seen.source = Fetched::Unavailable("gone".into());
    seen.backup.without_volumes = None;
    let lost = |seen: &Seen| seen.judge().cause == Some(Cause::Backup);
    assert!(
        !lost(&seen),
        "Velero records every volume that such a backup takes in"
    );
    seen.backup.without_volumes = Some(true);
    assert!(lost(&seen), "nothing is recorded of volumes that are left out");
}

#[test]
fn claims_that_the_test_does_not_select_are_not_judged() {
    let mut seen = Seen::healthy();
    seen.selector = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    seen.contents.volumes[0].skipped = true;
    assert_eq!(seen.judge().result, RunResult::Fail, "it came along");
    let claim = object("v1/PersistentVolumeClaim", "d");
    seen.outcome
        .restored
        .objects
        .get_mut("sb")
        .unwrap()
        .remove(&claim);
    assert_eq!(
        seen.judge().result,
        RunResult::Pass,
        "{:?}",
        seen.judge().findings
    );
}

#[test]
fn a_claim_that_velero_skips_is_lost_and_other_things_are_not() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Skipped);
    assert_eq!(
        seen.judge().result,
        RunResult::Pass,
        "{:?}",
        seen.judge().findings
    );
    let claim = object("v1/PersistentVolumeClaim", "d");
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(claim, ItemAction::Skipped);
    assert_eq!(seen.judge().result, RunResult::Fail);
}

#[test]
fn a_mover_of_another_sandbox_carries_nothing_into_this_one() {
    let mut seen = Seen::healthy();
    seen.contents.volumes[0].pvb_info = Some(PvbInfo {
        size: 40,
        pod_name: "db-0".into(),
        volume_name: "files".into(),
        ..PvbInfo::default()
    });
    let pod = object("v1/Pod", "db-0");
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(pod, ItemAction::Present);
    let mover = |namespace: &str, message: &str| Mover {
        namespace: namespace.into(),
        fills: Fills::PodVolume("db-0".into(), "files".into()),
        phase: if message.is_empty() { "Completed" } else { "Failed" }.into(),
        message: message.into(),
        bytes_done: 40,
        bytes_total: 40,
        times: (None, None),
    };
    seen.outcome.movers = Some(vec![mover("other", "")]);
    assert_eq!(seen.judge().cause, Some(Cause::RestoreEngine));
    seen.outcome.movers = Some(vec![mover("other", "broken"), mover("sb", "")]);
    assert_eq!(seen.judge().cause, None, "{:?}", seen.judge().findings);
    seen.outcome.movers = Some(vec![mover("sb", "Get \"https://s3\": dial tcp: i/o timeout")]);
    assert_eq!(
        seen.judge().result,
        RunResult::Inconclusive,
        "storage that is away"
    );
}

/// Velero records a volume by the pod that it backed up, and finds none for one that a rollout replaced meanwhile.
#[test]
fn a_volume_without_a_record_that_velero_fills_is_not_lost() {
    let mut seen = Seen::healthy();
    seen.contents.volumes.clear();
    seen.backup.without_volumes = Some(true);
    let fills = |namespace: &str, phase: &str| Mover {
        namespace: namespace.into(),
        fills: Fills::PodVolume("web-old".into(), "files".into()),
        phase: phase.into(),
        message: "broken".into(),
        bytes_done: 40,
        bytes_total: 40,
        times: (None, None),
    };
    seen.outcome.movers = Some(vec![]);
    let lost = (RunResult::Fail, Some(Cause::Backup));
    assert_eq!((seen.judge().result, seen.judge().cause), lost);
    seen.outcome.movers = Some(vec![fills("sb", "Completed")]);
    let verdict = seen.judge();
    assert_eq!(verdict.result, RunResult::Partial, "{:?}", verdict.findings);
    for other in [fills("other", "Completed"), fills("sb", "Failed")] {
        seen.outcome.movers = Some(vec![other]);
        assert_eq!((seen.judge().result, seen.judge().cause), lost);
    }
    // It is of a volume that belongs to no claim.
    seen.outcome.movers = Some(vec![fills("sb", "Completed")]);
    seen.contents.volumes = vec![VolumeInfo {
        backup_method: "PodVolumeBackup".into(),
        pvb_info: Some(PvbInfo {
            pod_name: "web-old".into(),
            volume_name: "files".into(),
            ..PvbInfo::default()
        }),
        ..VolumeInfo::default()
    }];
    assert_eq!((seen.judge().result, seen.judge().cause), lost);
    seen.contents.volumes.clear();
    let second = object("v1/PersistentVolumeClaim", "d2");
    seen.contents
        .objects
        .get_mut("shop")
        .unwrap()
        .insert(second.clone());
    seen.outcome
        .restored
        .objects
        .get_mut("sb")
        .unwrap()
        .insert(second, ItemAction::Present);
    assert_eq!(
        (seen.judge().result, seen.judge().cause),
        lost,
        "two claims and one volume"
    );
}

/// The movers of restic, in Velero up to 1.16, left out what had nothing in it.
#[test]
fn a_volume_in_which_there_was_nothing_needs_no_mover() {
    let mut seen = Seen::healthy();
    let of_files = |size: i64, phase: &str, snapshot: &str| PvbInfo {
        size,
        phase: phase.into(),
        snapshot_handle: snapshot.into(),
        pod_name: "db-0".into(),
        volume_name: "files".into(),
    };
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(object("v1/Pod", "db-0"), ItemAction::Present);
    seen.outcome.movers = Some(vec![]);
    seen.contents.volumes[0].pvb_info = Some(of_files(0, "Completed", ""));
    assert_eq!(seen.judge().result, RunResult::Pass);
    for filled in [
        of_files(0, "Completed", "k1"),
        of_files(40, "Completed", ""),
        of_files(0, "", ""),
    ] {
        seen.contents.volumes[0].pvb_info = Some(filled);
        assert_eq!(seen.judge().result, RunResult::Fail);
    }
}

#[test]
fn a_mover_that_stopped_counting_before_the_end_does_not_pass() {
    let mut seen = Seen::healthy();
    seen.contents.volumes[0].pvb_info = Some(PvbInfo {
        size: 40,
        pod_name: "db-0".into(),
        volume_name: "files".into(),
        ..PvbInfo::default()
    });
    let mover = |bytes_done: i64| Mover {
        namespace: "sb".into(),
        fills: Fills::PodVolume("db-0".into(), "files".into()),
        phase: "Completed".into(),
        message: String::new(),
        bytes_done,
        bytes_total: 40,
        times: (None, None),
    };
    seen.outcome.movers = Some(vec![mover(40)]);
    assert_eq!(seen.judge().result, RunResult::Pass);
    seen.outcome.movers = Some(vec![mover(10)]);
    assert_eq!(
        (seen.judge().result, seen.judge().cause),
        (RunResult::Partial, Some(Cause::Sandbox))
    );
    seen.outcome.movers = Some(vec![mover(0)]);
    assert_eq!(seen.judge().result, RunResult::Fail);
}
