//! What a sandbox keeps from working is not the backup's fault, nor the application's.

use super::*;

fn names(service: &str, namespace: &str, by: Namer) -> (String, Reference) {
    let to = Name {
        service: service.into(),
        namespace: namespace.into(),
        form: Form::Qualified,
    };
    ("shop".to_owned(), Reference { by, to })
}

fn workload(name: &str) -> Namer {
    Namer::Workload(name.to_owned())
}

fn config_map(users: &[&str]) -> Namer {
    let (name, users) = (
        "settings".to_owned(),
        users.iter().map(|&u| u.to_owned()).collect(),
    );
    Namer::ConfigMap { name, users }
}

fn alias(users: &[&str]) -> Namer {
    let (name, users) = ("alias".to_owned(), users.iter().map(|&u| u.to_owned()).collect());
    Namer::Alias { name, users }
}

fn outside(from: &str) -> Outside {
    Outside {
        from: from.to_owned(),
        need: Need::Host("db.example.com".to_owned()),
    }
}

fn trouble() -> Trouble {
    Trouble::new(Cause::Application, "container c exits with code 1")
}

fn crashing(seen: &mut Seen) {
    seen.came.workloads[0].ready = 0;
    seen.came.workloads[0].state = WorkloadState::Crashing {
        trouble: trouble(),
        tried: None,
    };
}

#[test]
fn an_account_counts_where_the_backup_holds_what_gives_it_rights_in_the_whole_cluster() {
    let mut seen = Seen::healthy();
    crashing(&mut seen);
    let account = Need::Account {
        account: "robot".to_owned(),
    };
    let from = "Deployment/web".to_owned();
    seen.came.outside = vec![("shop".to_owned(), Outside { from, need: account })];
    let bound_by = |seen: &mut Seen, binding: &str| {
        seen.contents.cluster_role_bindings = [binding.to_owned()].into();
        let verdict = seen.judge();
        (verdict.result, verdict.cause)
    };
    let accused = (RunResult::Partial, Some(Cause::Application));
    for other in ["cluster-admin", "robots", "system:robot"] {
        assert_eq!(bound_by(&mut seen, other), accused, "{other}");
    }
    let excused = (RunResult::Inconclusive, Some(Cause::Sandbox));
    assert_eq!(bound_by(&mut seen, "shop-robot-reader"), excused);
    let verdict = seen.judge();
    let said = |f: &Finding| f.message.contains("(ClusterRoleBinding/shop-robot-reader)");
    assert!(verdict.findings.iter().any(said), "{:?}", verdict.findings);
}

#[test]
fn who_names_its_own_namespace_in_full_cannot_work_in_a_sandbox() {
    let mut seen = Seen::healthy();
    crashing(&mut seen);
    assert_eq!(
        seen.judge().cause,
        Some(Cause::Application),
        "nothing else explains it"
    );
    let users = ["Deployment/web"];
    for by in [workload("Deployment/web"), config_map(&users), alias(&users)] {
        seen.came.references = vec![names("db", "shop", by.clone())];
        let verdict = seen.judge();
        let result = (verdict.result, verdict.cause);
        assert_eq!(result, (RunResult::Inconclusive, Some(Cause::Sandbox)), "{by}");
        let said = verdict.findings.iter().any(|f| {
            f.message
                .contains("names db.shop, which a sandbox does not reach")
        });
        assert!(said, "{:?}", verdict.findings);
    }
    seen.came.workloads[0].state = WorkloadState::Crashed(trouble());
    assert_eq!(
        seen.judge().cause,
        Some(Cause::Sandbox),
        "nor when it is known that it goes on for good"
    );
    let cron_job = Namer::CronJob("dump".to_owned());
    for other in [
        workload("Deployment/other"),
        config_map(&[]),
        alias(&[]),
        cron_job,
    ] {
        seen.came.references = vec![names("db", "shop", other.clone())];
        assert_eq!(seen.judge().cause, Some(Cause::Application), "{other}");
    }
}

#[test]
fn who_needs_a_host_outside_of_the_cluster_is_not_accused_for_not_starting() {
    let mut seen = Seen::healthy();
    crashing(&mut seen);
    let names = |from: &str| vec![("shop".to_owned(), outside(from))];
    seen.came.outside = names("Deployment/other");
    assert_eq!(
        seen.judge().cause,
        Some(Cause::Application),
        "it is another one that names it"
    );
    seen.came.outside = names("Deployment/web");
    let verdict = seen.judge();
    assert_eq!(verdict.result, RunResult::Inconclusive);
    let said =
        "container c exits with code 1; Deployment/web names db.example.com, which a sandbox does not reach";
    assert!(
        verdict.findings.iter().any(|f| f.message.ends_with(said)),
        "{:?}",
        verdict.findings
    );
    seen.came.workloads[0].state = WorkloadState::Crashed(Trouble {
        local: true,
        ..trouble()
    });
    assert_eq!(
        seen.judge().cause,
        Some(Cause::Application),
        "it was killed for its memory"
    );
}

#[test]
fn a_check_that_fails_is_not_excused_by_a_host_outside() {
    let mut seen = Seen::healthy();
    seen.came.outside = vec![("shop".to_owned(), outside("Deployment/web"))];
    seen.checks[1].status = CheckResult::Fail;
    assert_eq!(seen.judge().result, RunResult::Fail);
}

#[test]
fn an_image_that_does_not_exist_is_no_matter_of_the_network() {
    let mut seen = Seen::healthy();
    seen.came.references = vec![names("db", "shop", workload("Deployment/web"))];
    seen.troubled(Trouble::new(Cause::Application, "image x:1 does not exist"));
    assert_eq!(seen.judge().cause, Some(Cause::Application));
}

#[test]
fn a_check_of_what_needs_the_outside_says_nothing_when_it_fails() {
    let mut seen = Seen::healthy();
    seen.checks[1].status = CheckResult::Fail;
    assert_eq!(seen.judge().result, RunResult::Fail);
    seen.came.references = vec![names("db", "data", workload("Deployment/web"))];
    assert_eq!(seen.judge().result, RunResult::Inconclusive);
    seen.lookups = vec!["b"];
    assert_eq!(
        seen.judge().result,
        RunResult::Fail,
        "an object is there or is not"
    );
    seen.lookups.clear();
    seen.checks[1].target_missing = true;
    assert_eq!(seen.judge().result, RunResult::Fail, "there was nobody to ask");
    seen.checks[1].target_missing = false;
    for by in [config_map(&[]), Namer::CronJob("dump".to_owned())] {
        seen.came.references = vec![names("db", "data", by.clone())];
        assert_eq!(seen.judge().result, RunResult::Fail, "{by}");
    }
    seen.came.references = vec![names("db", "data", alias(&[]))];
    assert_eq!(
        seen.judge().result,
        RunResult::Inconclusive,
        "the check may ask that Service itself"
    );
    seen.came.references = vec![names("kubernetes", "default", workload("Deployment/web"))];
    assert_eq!(seen.judge().result, RunResult::Fail, "it excuses no check");
    seen.came.references = vec![names("search", "kube-logging", workload("Deployment/web"))];
    assert_eq!(seen.judge().result, RunResult::Inconclusive);
}

#[test]
fn an_empty_restore_is_the_fault_of_whoever_refused_all_of_it() {
    let mut seen = Seen::healthy();
    for action in seen.outcome.restored.objects.get_mut("sb").unwrap().values_mut() {
        *action = ItemAction::Failed;
    }
    seen.came.workloads.clear();
    let refused =
        |what: &str| format!("error restoring {what}: admission webhook \"x\" denied the request: no");
    let all = [
        "deployments.apps/sb/web",
        "secrets/sb/s",
        "persistentvolumeclaims/sb/d",
    ];
    let mut errors: Vec<String> = all.iter().map(|what| refused(what)).collect();
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), errors.clone())].into());
    let verdict = seen.judge();
    assert_eq!(
        (verdict.result, verdict.cause),
        (RunResult::Inconclusive, Some(Cause::Sandbox)),
        "{:?}",
        verdict.findings
    );
    errors[0] = "error restoring deployments.apps/sb/web: odd".to_owned();
    seen.outcome.results.errors.namespaces = Some([("sb".to_owned(), errors)].into());
    assert_eq!(seen.judge().result, RunResult::Fail);
}

#[test]
fn what_a_sandbox_keeps_from_working_is_not_what_nobody_saw() {
    let mut seen = Seen::healthy();
    crashing(&mut seen);
    seen.findings = vec![Finding {
        level: FindingLevel::Run,
        severity: Severity::Error,
        cause: Cause::Unknown,
        reason: "TimedOut".into(),
        object: None,
        message: "no operator was there".into(),
    }];
    assert_eq!(seen.judge().cause, Some(Cause::Unknown));
    seen.came.outside = vec![("shop".to_owned(), outside("Deployment/web"))];
    let verdict = seen.judge();
    let spoiled = (RunResult::Inconclusive, Some(Cause::Sandbox));
    assert_eq!((verdict.result, verdict.cause), spoiled);
}
