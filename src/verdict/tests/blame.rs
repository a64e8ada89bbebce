//! Who is to blame for what is not there.

use super::*;
use crate::{reason::RunReason, run::decide::run_error, velero::results::PvbInfo};

#[test]
fn a_lost_object_is_named() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Failed);
    let verdict = seen.judge();
    assert_eq!(verdict.completeness.points, 13);
    assert!(
        verdict
            .findings
            .iter()
            .any(|f| f.object.as_deref() == Some("Secret/s"))
    );
    assert_ne!(verdict.result, RunResult::Pass);
}

/// Velero lists an object before it backs it up.
#[test]
fn what_a_partial_backup_lists_and_does_not_hold_is_the_fault_of_the_backup() {
    let mut seen = Seen::healthy();
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.remove(&object("v1/Secret", "s")).unwrap();
    assert_eq!(seen.judge().cause, Some(Cause::RestoreEngine));
    seen.backup.phase = Some("PartiallyFailed".into());
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Backup)),
        "{:?}",
        verdict.findings
    );
    seen.lose(ItemAction::Failed);
    assert_eq!(
        seen.judge().cause,
        Some(Cause::RestoreEngine),
        "it was in the archive"
    );
}

#[test]
fn what_the_cluster_refused_is_not_the_backups_fault_anywhere() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Failed);
    let refused =
        "error restoring secrets/sb/s: Internal error occurred: failed calling webhook \"x.example.com\"";
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), vec![refused.to_owned()])].into());
    seen.troubled(Trouble {
        missing: Some(("Secret".into(), "s".into())),
        ..Trouble::new(Cause::Unknown, "")
    });
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Inconclusive, Some(Cause::Sandbox)),
        "{:?}",
        verdict.findings
    );
    seen.outcome.results.errors.namespaces =
        Some([("sb".to_owned(), vec![refused.replace("secrets", "configmaps")])].into());
    assert_eq!(
        seen.judge().cause,
        Some(Cause::RestoreEngine),
        "an error about another object explains nothing"
    );
}

#[test]
fn a_pod_that_is_refused_is_not_missed_when_its_controller_made_another() {
    let mut seen = Seen::healthy();
    let held = seen.contents.objects.get_mut("shop").unwrap();
    held.insert(object("apps/v1/ReplicaSet", "web-7d9f8c6b5"));
    held.insert(object("v1/Pod", "web-7d9f8c6b5-x2x4z"));
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(object("apps/v1/ReplicaSet", "web-7d9f8c6b5"), ItemAction::Present);
    restored.insert(object("v1/Pod", "web-7d9f8c6b5-x2x4z"), ItemAction::Failed);
    let refused = "error restoring pods/sb/web-7d9f8c6b5-x2x4z: pods \"web-7d9f8c6b5-x2x4z\" is forbidden: violates \
                   PodSecurity \"baseline:latest\": non-default capabilities (container \"istio-init\")";
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), vec![refused.to_owned()])].into());
    seen.restore.phase = RestorePhase::PartiallyFailed;
    seen.restore.errors = 1;
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.score()),
        (RunResult::Pass, 100),
        "{:?}",
        verdict.findings
    );
    assert!(verdict.findings.iter().all(|f| f.severity == Severity::Info));

    let spoiled = (RunResult::Inconclusive, Some(Cause::Sandbox));
    let told = |seen: &Seen| (seen.judge().result, seen.judge().cause);
    let ready = seen.came.workloads[0].clone();
    seen.troubled(Trouble::new(Cause::Sandbox, "the quota is full"));
    assert_eq!(told(&seen), spoiled, "its workload did not come up");
    seen.troubled(Trouble::of_application(false, "its image may not be pulled"));
    let fault = (RunResult::Partial, Some(Cause::Application));
    assert_eq!(told(&seen), fault, "no refusal explains that");
    seen.came.workloads[0] = Workload {
        object: "Deployment/other".into(),
        ..ready.clone()
    };
    assert_eq!(told(&seen), spoiled, "nobody made it again");
    seen.came.workloads[0] = ready;
    seen.contents.volumes.push(VolumeInfo {
        backup_method: "PodVolumeBackup".into(),
        pvb_info: Some(PvbInfo {
            pod_name: "web-7d9f8c6b5-x2x4z".into(),
            ..PvbInfo::default()
        }),
        ..VolumeInfo::default()
    });
    assert_eq!(told(&seen), spoiled, "what was in it is missing");
    seen.contents.volumes.pop();
    assert_eq!(seen.judge().result, RunResult::Pass);
    let held = seen.contents.objects.get_mut("shop").unwrap();
    held.retain(|o| o.short_kind() != "ReplicaSet");
    assert_eq!(told(&seen), spoiled, "it may be bare");
}

#[test]
fn a_bare_pod_that_is_called_like_one_of_a_controller_is_missed() {
    let judged = |pod: &str| {
        let mut seen = Seen::healthy();
        seen.came.workloads[0].object = "StatefulSet/redis".into();
        let held = seen.contents.objects.get_mut("shop").unwrap();
        held.insert(object("apps/v1/StatefulSet", "redis"));
        held.insert(object("v1/Pod", pod));
        let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
        restored.insert(object("apps/v1/StatefulSet", "redis"), ItemAction::Present);
        restored.insert(object("v1/Pod", pod), ItemAction::Failed);
        let refused = format!("error restoring pods/sb/{pod}: pods \"{pod}\" is forbidden: exceeded quota");
        seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), vec![refused])].into());
        seen.judge().result
    };
    assert_eq!(judged("redis-0"), RunResult::Pass);
    assert_eq!(judged("redis-cli"), RunResult::Inconclusive);
}

#[test]
fn a_pod_of_a_controller_with_a_long_name_is_known_by_what_is_left_of_it() {
    let judged = |suffix: &str| {
        let mut seen = Seen::healthy();
        let set = format!("{}-7d9f8c6b5d", "w".repeat(50));
        let pod = format!("{}{suffix}", &set[..58]);
        seen.came.workloads[0].object = format!("Deployment/{}", "w".repeat(50));
        let held = seen.contents.objects.get_mut("shop").unwrap();
        held.insert(object("apps/v1/ReplicaSet", &set));
        held.insert(object("v1/Pod", &pod));
        let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
        restored.insert(object("apps/v1/ReplicaSet", &set), ItemAction::Present);
        restored.insert(object("v1/Pod", &pod), ItemAction::Failed);
        let refused =
            format!("error restoring pods/sb/{pod}: pods \"{pod}\" is forbidden: violates PodSecurity");
        seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), vec![refused])].into());
        seen.judge().result
    };
    assert_eq!(judged("x2x4z"), RunResult::Pass);
    assert_eq!(judged("-cli"), RunResult::Inconclusive);
}

#[test]
fn what_the_cluster_or_another_product_made_in_the_sandbox_is_lost_by_nobody() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Failed);
    let mut warn = |namespace: &str, subject: &str| {
        let warning = format!(
            "could not restore, {subject} already exists. Warning: the in-cluster version is different than the \
             backed-up version"
        );
        seen.outcome.results.warnings.namespaces = Some([(namespace.to_owned(), vec![warning])].into());
        seen.judge()
    };
    let verdict = warn("sb", "Secret:s");
    assert_eq!(
        (verdict.result, verdict.score()),
        (RunResult::Pass, 100),
        "{:?}",
        verdict.findings
    );
    let told = verdict.completeness.not_tested.join(", ");
    assert!(told.contains("Secret/s: made there by the cluster"), "{told}");
    assert_eq!(warn("sb", "Secret:other").cause, Some(Cause::RestoreEngine));
    assert_eq!(warn("other", "Secret:s").cause, Some(Cause::RestoreEngine));
}

#[test]
fn an_object_that_was_there_is_lost_when_velero_has_an_error_about_it_or_it_carries_data() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Failed);
    let warnings = ["Secret:s", "PersistentVolumeClaim:d"];
    let warnings =
        warnings.map(|subject| format!("could not restore, {subject} already exists. Warning: it differs"));
    seen.outcome.results.warnings.namespaces = Some([("sb".to_owned(), warnings.to_vec())].into());
    let odd = vec!["error restoring secrets/sb/s: odd".to_owned()];
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), odd)].into());
    assert_eq!(seen.judge().completeness.points, 13);
    seen.outcome.results.errors.namespaces = None;
    assert_eq!(seen.judge().completeness.points, 20);
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(object("v1/PersistentVolumeClaim", "d"), ItemAction::Failed);
    assert_eq!(seen.judge().result, RunResult::Fail, "a claim of another volume");
}

#[test]
fn an_error_that_follows_from_a_refusal_has_its_cause() {
    let mut seen = Seen::healthy();
    let errors = [
        "error restoring persistentvolumeclaims/sb/d: persistentvolumeclaims \"d\" is forbidden: exceeded quota: q",
        "error getting persistent volume claim for volume: persistentvolumeclaims \"d\" not found",
    ];
    let errors = errors.map(str::to_owned).to_vec();
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), errors)].into());
    let claim = object("v1/PersistentVolumeClaim", "d");
    seen.outcome
        .restored
        .objects
        .get_mut("sb")
        .unwrap()
        .insert(claim, ItemAction::Failed);
    let verdict = seen.judge();
    assert_eq!(verdict.result, RunResult::Inconclusive, "{:?}", verdict.findings);
}

#[test]
fn a_pod_that_is_refused_for_want_of_its_account_is_blamed_on_whoever_lost_that() {
    let refused = "error restoring pods/sb/web: pods \"web\" is forbidden: error looking up service account sb/robot: \
                   serviceaccount \"robot\" not found";
    let mut seen = Seen::healthy();
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), vec![refused.to_owned()])].into());
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Backup)),
        "the backup does not hold it: {:?}",
        verdict.findings
    );
    let account = object("v1/ServiceAccount", "robot");
    let objects = seen.contents.objects.get_mut("shop").unwrap();
    objects.insert(account.clone());
    let restored = seen.outcome.restored.objects.get_mut("sb").unwrap();
    restored.insert(account, ItemAction::Failed);
    let denied = "error restoring serviceaccounts/sb/robot: admission webhook \"x\" denied the request: no";
    let errors = vec![refused.to_owned(), denied.to_owned()];
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), errors)].into());
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Inconclusive, Some(Cause::Sandbox)),
        "the cluster refused it: {:?}",
        verdict.findings
    );
    let errors = vec![refused.replace("serviceaccount \"robot\" not found", "no answer")];
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), errors)].into());
    let objects = seen.contents.objects.get_mut("shop").unwrap();
    objects.remove(&object("v1/ServiceAccount", "robot"));
    assert_eq!(
        seen.judge().result,
        RunResult::Inconclusive,
        "an account that could not be looked up is not known to be lost"
    );
}

#[test]
fn what_the_sandbox_spoils_is_inconclusive_and_never_a_failed_backup() {
    let mut seen = Seen::healthy();
    seen.troubled(Trouble::new(Cause::Sandbox, "exceeded quota"));
    seen.checks[1].status = CheckResult::Fail;
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Inconclusive, Some(Cause::Sandbox))
    );
    seen.contents.volumes[0].skipped = true;
    assert_eq!(
        seen.judge().result,
        RunResult::Fail,
        "a fault of the backup beside it is a fault"
    );
}

#[test]
fn what_the_sandbox_spoils_beside_a_small_fault_of_the_backup_fails_nobody() {
    let mut seen = Seen::healthy();
    seen.lose(ItemAction::Failed);
    let alone = seen.judge();
    assert_eq!(
        (alone.result, alone.cause),
        (RunResult::Partial, Some(Cause::RestoreEngine))
    );
    seen.troubled(Trouble::new(Cause::Sandbox, "exceeded quota"));
    seen.checks[0].status = CheckResult::Fail;
    let verdict = seen.judge();
    assert!(verdict.score() < 70, "{}", verdict.score());
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::RestoreEngine))
    );
    seen.checks[1].status = CheckResult::Fail;
    assert_eq!(
        seen.judge().result,
        RunResult::Partial,
        "a required check may ask what the sandbox spoiled"
    );
    seen.contents.volumes[0].skipped = true;
    assert_eq!(seen.judge().result, RunResult::Fail, "lost data is lost");
}

#[test]
fn a_backup_or_an_escape_that_fails_as_a_whole_does_so_beside_whatever_the_sandbox_spoiled() {
    let spoiled = || {
        let mut seen = Seen::healthy();
        seen.troubled(Trouble::new(Cause::Sandbox, "exceeded quota"));
        seen
    };
    for (reason, cause) in [
        (RunReason::BackupTooOld, Cause::Backup),
        (RunReason::Escape, Cause::RestoreEngine),
    ] {
        let mut seen = spoiled();
        seen.findings = vec![run_error(reason, cause, None, "as a whole")];
        let verdict = seen.judge();
        assert_eq!((verdict.result, verdict.cause), (RunResult::Fail, Some(cause)));
    }
    let mut seen = spoiled();
    seen.findings = vec![run_error(RunReason::TimedOut, Cause::Sandbox, None, "late")];
    assert_eq!(seen.judge().result, RunResult::Inconclusive);
}

#[test]
fn labels_that_select_nothing_accuse_no_backup_that_holds_something() {
    let mut seen = Seen::healthy();
    seen.outcome.restored.objects.clear();
    let judged = |seen: &Seen| {
        let verdict = seen.judge();
        let finding = verdict.findings.iter().find(|f| f.reason == "NothingRestored");
        (verdict.result, finding.unwrap().cause)
    };
    assert_eq!(judged(&seen), (RunResult::Fail, Cause::Backup));
    seen.selector = [("app".to_owned(), "shop".to_owned())].into();
    assert_eq!(judged(&seen), (RunResult::Inconclusive, Cause::Sandbox));
    seen.contents.objects.clear();
    assert_eq!(judged(&seen), (RunResult::Fail, Cause::Backup));
}

#[test]
fn a_workload_that_could_not_start_anywhere_is_not_excused_by_the_sandbox_of_another() {
    let mut seen = Seen::healthy();
    seen.troubled(Trouble::new(Cause::Sandbox, "0/1 nodes are available"));
    let mut beside = |state: WorkloadState| {
        let mut worker = seen.came.workloads[0].clone();
        worker.object = "Deployment/worker".into();
        worker.state = state;
        seen.came.workloads.truncate(1);
        seen.came.workloads.push(worker);
        let verdict = seen.judge();
        (verdict.result, verdict.cause)
    };
    let trouble = || Trouble::new(Cause::Application, "container c");
    let local = || Trouble {
        local: true,
        ..trouble()
    };
    let its_own = (RunResult::Partial, Some(Cause::Application));
    assert_eq!(beside(WorkloadState::Hopeless(local())), its_own);
    assert_eq!(beside(WorkloadState::Crashed(local())), its_own);
    let tried = None;
    let crashing = WorkloadState::Crashing {
        trouble: local(),
        tried,
    };
    assert_eq!(beside(crashing), its_own);
    let perhaps_not = (RunResult::Inconclusive, Some(Cause::Sandbox));
    assert_eq!(
        beside(WorkloadState::Crashed(trouble())),
        perhaps_not,
        "it may need the one that found no place"
    );
    assert_eq!(
        beside(WorkloadState::Hopeless(trouble())),
        perhaps_not,
        "its pull Secret may have been refused"
    );
    assert_eq!(
        beside(WorkloadState::Pending(local())),
        perhaps_not,
        "it may still come"
    );
    let of_sandbox = Trouble::new(Cause::Sandbox, "quota");
    assert_eq!(beside(WorkloadState::Hopeless(of_sandbox)), perhaps_not);
    seen.came.workloads[1].state = WorkloadState::Hopeless(local());
    seen.checks[1].status = CheckResult::Fail;
    assert_eq!(seen.judge().result, RunResult::Fail, "its required check fails");
}

#[test]
fn what_the_backup_never_held_is_the_backups_fault() {
    let mut seen = Seen::healthy();
    let in_source = |kind: &str, name: &str| SourceObject {
        id: object(kind, name),
        labels: BTreeMap::new(),
        bound: None,
        created: "2025-12-31T00:00:00Z".parse().unwrap(),
    };
    let holds = |objects: Vec<SourceObject>| {
        Fetched::Here(Arc::new(SourceObjects {
            objects: [("shop".to_owned(), objects)].into(),
            ..SourceObjects::default()
        }))
    };
    seen.source = holds(vec![
        in_source("apps/v1/Deployment", "web"),
        in_source("apps/v1/Deployment", "worker"),
    ]);
    let verdict = seen.judge();
    assert_eq!(
        (verdict.completeness.points, verdict.result, verdict.cause),
        (15, RunResult::Partial, Some(Cause::Backup))
    );
    seen.source = holds(vec![in_source("v1/PersistentVolumeClaim", "uploads")]);
    assert_eq!(seen.judge().result, RunResult::Fail, "data is lost");
    seen.source = Fetched::Unavailable("no".into());
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Sandbox)),
        "nothing is known to be lost, nor that all is there: {:?}",
        verdict.findings
    );
    assert_eq!((verdict.score(), verdict.findings.len()), (100, 1));
}

#[test]
fn a_custom_resource_that_the_backup_misses_is_lost_by_it() {
    let mut seen = Seen::healthy();
    let widget = SourceObject {
        id: object("example.com/v1/Widget", "one"),
        labels: BTreeMap::new(),
        bound: None,
        created: "2025-12-31T00:00:00Z".parse().unwrap(),
    };
    let objects = [("shop".to_owned(), vec![widget])].into();
    seen.source = Fetched::Here(Arc::new(SourceObjects {
        objects,
        ..SourceObjects::default()
    }));
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Backup))
    );
    assert_eq!(verdict.counts.custom_resources.as_deref(), Some("0/1"));
}

#[test]
fn a_missing_object_behind_a_workload_is_blamed_on_whoever_lost_it() {
    let missing = |name: &str| Trouble {
        missing: Some(("Secret".into(), name.into())),
        ..Trouble::new(Cause::Unknown, "")
    };
    let mut seen = Seen::healthy();
    seen.troubled(missing("s"));
    assert_eq!(
        seen.judge().cause,
        Some(Cause::RestoreEngine),
        "the backup holds it"
    );
    seen.troubled(missing("never-backed-up"));
    let verdict = seen.judge();
    assert_eq!(verdict.cause, Some(Cause::Backup));
    assert!(
        verdict
            .findings
            .iter()
            .any(|f| f.level == FindingLevel::PodStartup
                && f.severity == Severity::Error
                && f.object.as_deref() == Some("Secret/never-backed-up"))
    );
}

#[test]
fn velero_that_restarted_says_nothing_about_the_backup() {
    let mut seen = Seen::healthy();
    seen.restore.phase = RestorePhase::Failed;
    seen.restore.reason =
        Some("found a restore with status InProgress during the server starting, mark it as Failed".into());
    assert_eq!(seen.judge().result, RunResult::Inconclusive);
    seen.restore.reason = Some("unexpected EOF".into());
    assert_eq!(
        (seen.judge().result, seen.judge().cause),
        (RunResult::Fail, Some(Cause::Backup))
    );
}
