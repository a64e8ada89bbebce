//! What the backup holds, what came back, and what the source had.

use super::*;

#[test]
fn an_empty_restore_fails_whatever_velero_calls_it() {
    let mut seen = Seen::healthy();
    seen.outcome.restored.objects.clear();
    seen.came.workloads.clear();
    let verdict = seen.judge();
    assert_eq!(verdict.result, RunResult::Fail);
}

/// The source still lists an object with these labels, made before the backup or long after it.
fn listed(id: ObjectId, label: &str, is_older: bool) -> Fetched<SourceObjects> {
    let created = if is_older {
        "2025-12-31T23:00:00Z"
    } else {
        "2026-01-02T00:00:00Z"
    };
    let object = SourceObject {
        id,
        labels: [(label.to_owned(), "copy".to_owned())].into(),
        bound: None,
        created: created.parse().unwrap(),
    };
    Fetched::Here(Arc::new(SourceObjects {
        objects: [("shop".to_owned(), vec![object])].into(),
        ..SourceObjects::default()
    }))
}

/// Accounts that a platform puts into every namespace are in the sandbox, too, and no backup with filters holds them.
#[test]
fn what_the_sandbox_got_without_the_backup_is_missing_in_none() {
    let mut seen = Seen::healthy();
    seen.source = listed(object("v1/ServiceAccount", "builder"), "app", true);
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Partial, Some(Cause::Backup))
    );
    let made = |namespace: &str| [(namespace.to_owned(), "ServiceAccount/builder".to_owned())].into();
    seen.came.made_there = made("other");
    assert_eq!(seen.judge().cause, Some(Cause::Backup));
    seen.came.made_there = made("shop");
    assert_eq!(seen.judge().result, RunResult::Pass);
}

#[test]
fn what_is_labelled_as_a_part_of_a_job_is_not_lost_and_who_misses_it_is_not_accused() {
    let mut seen = Seen::healthy();
    let settings = object("v1/ConfigMap", "c");
    seen.contents
        .objects
        .get_mut("shop")
        .unwrap()
        .insert(settings.clone());
    let result = |seen: &Seen| {
        let verdict = seen.judge();
        (verdict.result, verdict.cause)
    };
    for label in ["job-name", "batch.kubernetes.io/job-name"] {
        seen.source = listed(settings.clone(), label, true);
        assert_eq!(result(&seen), (RunResult::Pass, None));
    }
    let mut missed = Seen::healthy();
    std::mem::swap(&mut missed, &mut seen);
    missed.troubled(Trouble {
        missing: Some(("ConfigMap".into(), "c".into())),
        ..Trouble::new(Cause::Unknown, "ConfigMap c is not there")
    });
    assert_eq!(result(&missed), (RunResult::Inconclusive, Some(Cause::Sandbox)));

    seen.contents
        .objects
        .get_mut("shop")
        .unwrap()
        .insert(settings.clone());
    let lost = (RunResult::Partial, Some(Cause::RestoreEngine));
    seen.source = listed(settings.clone(), "app", true);
    assert_eq!(result(&seen), lost);
    seen.source = listed(settings, "job-name", false);
    assert_eq!(result(&seen), lost, "another one has that label");
}

#[test]
fn a_workload_or_a_claim_that_stays_out_with_jobs_does_not_pass() {
    for kind in [
        "apps/v1/Deployment",
        "v1/PersistentVolumeClaim",
        "example.com/v1/Widget",
    ] {
        let mut seen = Seen::healthy();
        let left_out = object(kind, "x");
        seen.contents
            .objects
            .get_mut("shop")
            .unwrap()
            .insert(left_out.clone());
        seen.source = listed(left_out, "job-name", true);
        let verdict = seen.judge();
        let reasons: Vec<&str> = verdict.findings.iter().map(|f| f.reason.as_str()).collect();
        assert_eq!(reasons, ["LeftOutWithJobs"]);
        let spoiled = |result| (result, Some(Cause::Sandbox));
        assert_eq!((verdict.result, verdict.cause), spoiled(RunResult::Partial));
        seen.checks[1].status = CheckResult::Fail;
        let verdict = seen.judge();
        let of_check = (verdict.result, verdict.cause);
        assert_eq!(of_check, spoiled(RunResult::Inconclusive), "it may need {kind}");
    }
    let mut seen = Seen::healthy();
    let excluded = object("monitoring.coreos.com/v1/ServiceMonitor", "x");
    seen.contents
        .objects
        .get_mut("shop")
        .unwrap()
        .insert(excluded.clone());
    seen.source = listed(excluded, "job-name", true);
    assert_eq!(seen.judge().result, RunResult::Pass, "it stays out in any case");
}

#[test]
fn kinds_that_may_not_be_listed_are_named_and_cost_nothing() {
    let mut seen = Seen::healthy();
    let unlisted = (1..=7).map(|i| format!("kind{i}.example.com")).collect();
    seen.source = Fetched::Here(Arc::new(SourceObjects {
        unlisted,
        ..SourceObjects::default()
    }));
    let verdict = seen.judge();
    assert_eq!((verdict.score(), verdict.result), (100, RunResult::Pass));
    let [finding] = verdict.findings.as_slice() else {
        panic!("{:?}", verdict.findings)
    };
    assert_eq!(finding.severity, Severity::Info);
    let told = finding.message.contains("kind5.example.com and 2 more") && !finding.message.contains("kind6");
    assert!(told, "{}", finding.message);
}
