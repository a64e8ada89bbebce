//! From what a run has seen to its verdict.

mod blame;
mod completeness;
mod isolation;
mod namespaces;
mod operations;
mod unread;
mod volumes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use kymaros_crds::{
    Cause, CheckResult, CheckStatus, Finding, FindingLevel, PreviousRun, ResolvedBackup, RestoreReportStatus,
    RunResult, Severity,
};

use super::{Evidence, SourceEvidence, Verdict, judge};
use crate::{
    run::observed::{Came, Fetched, RestoreOutcome, RestoreSeen},
    source::{SourceObject, SourceObjects},
    velero::{
        restore::RestorePhase,
        results::{BackupContents, ItemAction, ObjectId, RestoredObjects, VolumeInfo},
    },
    workloads::{
        Trouble, Workload, WorkloadState,
        moments::Moments,
        outside::{Need, Outside},
        references::{Form, Name, Namer, Reference},
    },
};

/// Everything a healthy run has seen; tests break one thing each.
struct Seen {
    backup: ResolvedBackup,
    contents: BackupContents,
    source: Fetched<SourceObjects>,
    restore: RestoreSeen,
    outcome: RestoreOutcome,
    came: Came,
    checks: Vec<CheckStatus>,
    /// When they are not all.
    expected_checks: Option<usize>,
    findings: Vec<Finding>,
    lookups: Vec<&'static str>,
    max_rto: Option<Duration>,
    alert_on_exceed: bool,
    previous: Option<PreviousRun>,
    /// Why what the backup holds cannot be read.
    unread_contents: Option<&'static str>,
    /// Why the outcome of the restore cannot be read.
    unread: Option<&'static str>,
    selector: BTreeMap<String, String>,
    /// Source namespaces and their sandboxes.
    mapping: BTreeMap<String, String>,
}

fn object(kind: &str, name: &str) -> ObjectId {
    ObjectId {
        kind: kind.into(),
        name: name.into(),
    }
}

fn check(name: &str, status: CheckResult, required: bool) -> CheckStatus {
    CheckStatus {
        name: name.into(),
        status,
        duration: "1s".into(),
        message: "seen".into(),
        namespace: None,
        required,
        target_missing: false,
        passed_at: None,
        may_have_passed_before: false,
    }
}

impl Seen {
    fn healthy() -> Self {
        let objects = [
            object("apps/v1/Deployment", "web"),
            object("v1/Secret", "s"),
            object("v1/PersistentVolumeClaim", "d"),
        ];
        let present = objects.iter().map(|o| (o.clone(), ItemAction::Present)).collect();
        Self {
            backup: ResolvedBackup {
                name: "b".into(),
                phase: Some("Completed".into()),
                started: Some(Time("2026-01-01T00:00:00Z".parse().unwrap())),
                ..Default::default()
            },
            contents: BackupContents {
                objects: [("shop".to_owned(), objects.into())].into(),
                volumes: vec![VolumeInfo {
                    pvc_name: "d".into(),
                    pvc_namespace: "shop".into(),
                    backup_method: "PodVolumeBackup".into(),
                    ..Default::default()
                }],
                ..BackupContents::default()
            },
            source: Fetched::Here(Arc::new(SourceObjects::default())),
            restore: RestoreSeen {
                phase: RestorePhase::Completed,
                phase_text: "Completed".into(),
                started: "2026-01-01T00:00:00Z".parse().ok(),
                completed: "2026-01-01T00:00:05Z".parse().ok(),
                errors: 0,
                warnings: 1,
                progress: Some((3, 3)),
                reason: None,
            },
            outcome: RestoreOutcome {
                restored: RestoredObjects {
                    objects: [("sb".to_owned(), present)].into(),
                    ..RestoredObjects::default()
                },
                movers: Some(vec![]),
                operations: Some(vec![]),
                ..Default::default()
            },
            came: Came {
                workloads: vec![Workload {
                    source: "shop".into(),
                    object: "Deployment/web".into(),
                    wanted: 1,
                    ready: 1,
                    state: WorkloadState::Ready("2026-01-01T00:00:07Z".parse().ok()),
                    restarts: 0,
                    most_restarts: 0,
                    outlives: None,
                    awaits_data: false,
                    claims: BTreeSet::new(),
                }],
                pods: BTreeSet::new(),
                made_there: BTreeSet::new(),
                moments: Moments::default(),
                references: vec![],
                outside: vec![],
            },
            checks: vec![
                check("a", CheckResult::Pass, false),
                check("b", CheckResult::Pass, true),
            ],
            findings: vec![],
            lookups: vec![],
            max_rto: Some(Duration::from_mins(1)),
            alert_on_exceed: false,
            expected_checks: None,
            previous: None,
            unread_contents: None,
            unread: None,
            selector: BTreeMap::new(),
            mapping: BTreeMap::from([("shop".to_owned(), "sb".to_owned())]),
        }
    }

    fn judge(&self) -> Verdict {
        judge(&Evidence {
            sources: vec![SourceEvidence {
                backup: Some(&self.backup),
                contents: self.unread_contents.is_none().then_some(&self.contents),
                restore: Some(&self.restore),
                outcome: self.unread.is_none().then_some(&self.outcome),
                unavailable: [self.unread_contents, self.unread],
                mapping: self.mapping.clone(),
                source: Some(&self.source),
                selector: &self.selector,
            }],
            came: Some(&self.came),
            absent: vec![],
            checks: &self.checks,
            expected_checks: self.expected_checks.unwrap_or(self.checks.len()),
            lookups: self.lookups.clone(),
            missing_policy: None,
            namespaces: self.mapping.keys().map(String::as_str).collect(),
            max_rto: self.max_rto,
            findings: &self.findings,
            ended_early: false,
            previous: self.previous.as_ref(),
            alert_on_exceed: self.alert_on_exceed,
        })
    }

    fn lose(&mut self, action: ItemAction) {
        self.outcome
            .restored
            .objects
            .get_mut("sb")
            .unwrap()
            .insert(object("v1/Secret", "s"), action);
    }

    fn troubled(&mut self, trouble: Trouble) {
        self.came.workloads[0].state = WorkloadState::Hopeless(trouble);
        self.came.workloads[0].ready = 0;
    }
}

#[test]
fn healthy_is_full_marks_and_accuses_nobody() {
    let verdict = Seen::healthy().judge();
    assert_eq!(
        (verdict.score(), verdict.result, verdict.cause),
        (100, RunResult::Pass, None)
    );
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    assert_eq!(
        verdict.rto.map(|r| (r.at_least, r.at_most)),
        Some((Duration::from_secs(7), Duration::from_secs(7))),
        "until the last workload was ready"
    );
}

#[test]
fn a_recovery_that_nobody_saw_the_end_of_is_a_bound_and_accuses_nobody() {
    let mut seen = Seen::healthy();
    seen.checks[0].passed_at = "2026-01-01T00:00:50Z".parse().ok().map(MicroTime);
    seen.checks[0].may_have_passed_before = true;
    let mut judged = |max: u64, before: Option<&str>| {
        seen.max_rto = Some(Duration::from_secs(max));
        seen.previous = before.map(|rto| PreviousRun {
            report: "shop-1".into(),
            score: 95,
            levels: vec!["rtoCompliance".into()],
            rto: Some(rto.into()),
        });
        let verdict = seen.judge();
        let mut status = RestoreReportStatus::default();
        verdict.write_to(&mut status);
        (verdict, status.rto)
    };
    let (within, told) = judged(60, Some("7s"));
    assert_eq!(within.rto_compliance.points, 5);
    assert!(
        within.rto_compliance.detail.starts_with("7s to 50s ("),
        "{}",
        within.rto_compliance.detail
    );
    assert!(told.is_some_and(|rto| rto.within_sla && rto.measured == "50s"));
    assert!(within.regressions.is_empty(), "{:?}", within.regressions);

    let (open, told) = judged(30, Some("7s"));
    assert_eq!(told, None, "it took 7s to 50s");
    assert!(!open.rto_compliance.judged && open.rto_compliance.detail.starts_with("7s to 50s ("));
    assert!(
        open.findings.is_empty() && open.regressions.is_empty(),
        "{:?}",
        open.findings
    );

    let (exceeded, told) = judged(5, None);
    assert!(
        told.is_some_and(|rto| !rto.within_sla),
        "7s are too many in any case"
    );
    assert!(exceeded.findings.iter().any(|f| f.reason == "RTOExceeded"));
}

#[test]
fn without_a_check_that_passes_nothing_was_recovered_in_time() {
    let mut seen = Seen::healthy();
    seen.checks[0].status = CheckResult::Fail;
    let verdict = seen.judge();
    assert_eq!((verdict.rto, verdict.rto_compliance.points), (None, 0));
    assert!(
        verdict.rto_compliance.detail.starts_with("check a did not pass"),
        "{}",
        verdict.rto_compliance.detail
    );
    seen.max_rto = None;
    let verdict = seen.judge();
    let points = (verdict.rto, verdict.rto_compliance.points);
    assert_eq!(points, (None, 5), "nothing was agreed");
    seen.max_rto = Some(Duration::from_mins(1));
    let checks = std::mem::take(&mut seen.checks);
    seen.expected_checks = Some(2);
    assert_eq!(seen.judge().rto, None, "the run ended before them");
    (seen.checks, seen.expected_checks) = (checks, None);
    seen.came.workloads[0].state = WorkloadState::Crashed(Trouble::new(Cause::Application, "exits"));
    assert_eq!(seen.judge().rto_compliance.points, 0, "it did not come up");
}

#[test]
fn a_failed_check_never_passes_and_a_required_one_fails() {
    let mut seen = Seen::healthy();
    seen.checks = (0..20)
        .map(|i| check(&i.to_string(), CheckResult::Pass, false))
        .collect();
    seen.checks[0].status = CheckResult::Fail;
    seen.max_rto = None;
    let verdict = seen.judge();
    assert_eq!(
        (verdict.score(), verdict.result),
        (99, RunResult::Partial),
        "0.6.9 called this a pass"
    );
    seen.checks[0].required = true;
    assert_eq!(seen.judge().result, RunResult::Fail);
}

#[test]
fn a_partial_backup_never_passes() {
    let mut seen = Seen::healthy();
    seen.backup.phase = Some("PartiallyFailed".into());
    assert_eq!(
        (seen.judge().score(), seen.judge().result),
        (100, RunResult::Partial)
    );
}

#[test]
fn an_sla_that_is_missed_costs_its_points() {
    let mut seen = Seen::healthy();
    seen.max_rto = Some(Duration::from_secs(6));
    let verdict = seen.judge();
    assert_eq!((verdict.rto_compliance.points, verdict.score()), (0, 95));
    let told = |verdict: Verdict| verdict.findings[0].severity;
    assert_eq!(told(verdict), Severity::Info, "nobody asked to be alerted");
    seen.alert_on_exceed = true;
    assert_eq!(told(seen.judge()), Severity::Warning);
    seen.max_rto = Some(Duration::from_secs(7));
    assert_eq!(seen.judge().score(), 100);
}

#[test]
fn a_reference_out_of_the_test_costs_points_unless_the_cluster_has_it() {
    let mut seen = Seen::healthy();
    let to = |service: &str, namespace: &str| {
        let by = Namer::Workload("Deployment/web".to_owned());
        let to = Name {
            service: service.into(),
            namespace: namespace.into(),
            form: Form::Qualified,
        };
        ("shop".to_owned(), Reference { by, to })
    };
    seen.came.references = vec![to("kubernetes", "default"), to("db", "shop")];
    assert_eq!(seen.judge().cross_namespace_deps.points, 10);
    seen.came.references.push(to("db", "data"));
    let verdict = seen.judge();
    assert_eq!(verdict.cross_namespace_deps.points, 0);
    assert!(
        verdict.findings[0].message.contains("namespace data"),
        "{:?}",
        verdict.findings
    );
    assert_eq!(
        verdict.cross_namespace_deps.not_tested,
        ["Deployment/web → db.data"]
    );
    seen.mapping.insert("data".into(), "sandbox-of-data".into());
    let level = seen.judge().cross_namespace_deps;
    assert_eq!(
        (level.points, level.tested),
        (10, vec!["Deployment/web → db.data".to_owned()]),
        "the test restores it"
    );
}

#[test]
fn what_got_worse_since_the_last_run_is_said() {
    let mut seen = Seen::healthy();
    let previous = |score, levels: &[&str], rto: &str| PreviousRun {
        report: "shop-1".into(),
        score,
        levels: levels.iter().map(ToString::to_string).collect(),
        rto: Some(rto.into()),
    };
    for before in ["5s", "2s"] {
        seen.previous = Some(previous(100, &["internalHealth"], before));
        assert_eq!(
            seen.judge().regressions,
            Vec::<String>::new(),
            "five seconds are within the noise: 7s after {before}"
        );
    }
    seen.previous = Some(previous(100, &["internalHealth"], "1s"));
    assert_eq!(seen.judge().regressions.len(), 1, "six seconds are not");
    seen.restore.started = "2025-12-31T23:59:00Z".parse().ok();
    let worse = seen.judge().regressions;
    assert!(worse.len() == 1 && worse[0].contains("1m7s"), "{worse:?}");
    seen.previous = Some(previous(95, &["internalHealth"], "1m"));
    seen.checks[0].status = CheckResult::Fail;
    let verdict = seen.judge();
    assert!(
        verdict.regressions[0].contains("internalHealth"),
        "{:?}",
        verdict.regressions
    );
    assert_eq!(
        verdict.regressions.len(),
        1,
        "ten points exactly are no drop of more than ten"
    );
    seen.previous = Some(previous(95, &[], "1m"));
    seen.checks[1].status = CheckResult::Fail;
    assert!(
        seen.judge().regressions[0].contains("from 95 to 75"),
        "{:?}",
        seen.judge().regressions
    );
    seen.troubled(Trouble::new(Cause::Sandbox, "exceeded quota"));
    assert!(
        seen.judge().regressions.is_empty(),
        "an inconclusive run is compared with nothing"
    );
}
