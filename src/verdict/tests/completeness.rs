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

#[test]
fn what_is_labelled_as_a_part_of_a_job_is_not_lost() {
    let mut seen = Seen::healthy();
    let of_sandbox = seen.outcome.restored.objects.get_mut("sb").unwrap();
    of_sandbox.remove(&object("v1/Secret", "s"));
    let mut result = |label: &str| {
        let secret = SourceObject {
            id: object("v1/Secret", "s"),
            labels: [(label.to_owned(), "copy".to_owned())].into(),
            bound: None,
            created: "2025-12-31T23:00:00Z".parse().unwrap(),
        };
        seen.source = Fetched::Here(Arc::new(SourceObjects {
            objects: [("shop".to_owned(), vec![secret])].into(),
            ..SourceObjects::default()
        }));
        let verdict = seen.judge();
        (verdict.result, verdict.cause)
    };
    assert_eq!(result("job-name"), (RunResult::Pass, None));
    assert_eq!(result("batch.kubernetes.io/job-name"), (RunResult::Pass, None));
    let lost = (RunResult::Partial, Some(Cause::RestoreEngine));
    assert_eq!(result("app"), lost);
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
