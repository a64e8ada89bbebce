//! One run, also while it goes on: the verdict, what is behind it, and the proof that nothing is left.

use std::collections::BTreeSet;

use askama::Template;
use jiff::Timestamp;
use kube::ResourceExt;
use kymaros_crds::{
    Cause, CheckResult, CheckStatus, CollectedEvent, ContainerLogType, Finding, FindingLevel, LevelStatus,
    PlannedKind, PodLog, ResolvedBackup, RestoreReport, RestoreReportStatus, RestoreStatusSummary, RunPhase,
    Severity,
};

use super::{Fact, Figure, clusters::ClusterMark, overview::phase_word, plural, why_it_ran};
use crate::{
    dashboard::{
        addresses,
        charts::{LEVELS, Ruler, Timeline, in_order},
        moments::{Moment, stored_span},
        shell::Shell,
        standing::{self as word, Standing},
    },
    fleet::{Roster, Shown, View},
    report::missed,
    run::observe,
};

const PHASES: [RunPhase; 8] = [
    RunPhase::Queued,
    RunPhase::Preparing,
    RunPhase::Restoring,
    RunPhase::Starting,
    RunPhase::Checking,
    RunPhase::Judging,
    RunPhase::CleaningUp,
    RunPhase::Completed,
];

/// The page.
#[derive(Template)]
#[template(path = "report.html")]
pub struct ReportPage {
    /// Around it.
    pub shell: Shell,
    name: String,
    namespace: String,
    test: String,
    test_href: String,
    /// None: it is of this cluster.
    cluster: Option<ClusterMark>,
    is_live: bool,
    standing: Standing,
    score: Option<i32>,
    phases: Vec<Phase>,
    ruler: Option<Ruler>,
    message: String,
    missed: Option<String>,
    regressions: Vec<String>,
    figures: Vec<Figure>,
    hidden: Vec<String>,
    findings: Vec<FindingRow>,
    findings_omitted: i32,
    remedies: Vec<Fact>,
    levels: Vec<LevelRow>,
    has_points: bool,
    checks: Vec<CheckRow>,
    timeline: Timeline,
    no_timeline: &'static str,
    backups: Vec<BackupRow>,
    sandboxes: Vec<SandboxRow>,
    restores: Vec<RestoreRow>,
    cleanup: Option<Cleanup>,
    plan: Vec<PlanRow>,
    logs: Vec<LogRow>,
    events: Vec<CollectedEvent>,
    events_of: String,
}

struct Phase {
    name: &'static str,
    is_here: bool,
}

struct FindingRow {
    standing: Standing,
    severity: &'static str,
    message: String,
    cause: &'static str,
    level: &'static str,
    reason: String,
    object: String,
}

struct LevelRow {
    name: &'static str,
    standing: Standing,
    is_tested: bool,
    points: String,
    detail: String,
    tested: Vec<String>,
    not_tested: Vec<String>,
}

struct CheckRow {
    name: String,
    required: bool,
    namespace: String,
    standing: Standing,
    is_skipped: bool,
    took: String,
    message: String,
}

struct BackupRow {
    name: String,
    schedule: String,
    started: Option<Moment>,
    size: String,
    phase: String,
}

struct SandboxRow {
    source: String,
    name: String,
    state: String,
}

struct RestoreRow {
    name: String,
    phase: String,
    objects: String,
    warnings: i32,
    errors: i32,
}

struct Cleanup {
    standing: Standing,
    text: String,
}

struct LogRow {
    /// The same while its run goes on, so that it stays open on an open page.
    id: String,
    name: String,
    text: String,
}

struct PlanRow {
    kind: String,
    action: &'static str,
    objects: i32,
    reason: String,
}

impl ReportPage {
    /// The page of a report as its tier shows it.
    #[must_use]
    pub fn new(
        shown: Shown<std::sync::Arc<RestoreReport>>,
        others: &Roster,
        view: &View,
        shell: Shell,
    ) -> Self {
        let report = shown.what;
        let cluster = view.clusters.other();
        let status = report.status.clone().unwrap_or_default();
        let phase = observe::phase(&report);
        let namespace = report.namespace().unwrap_or_default();
        let timeline = Timeline::draw(&status.timeline, view.now);
        let levels = status.validation_levels.as_ref();
        let has_points =
            levels.is_some_and(|levels| in_order(levels).iter().any(|level| level.points.is_some()));
        let is_live = phase != RunPhase::Completed;
        Self {
            name: report.name_any(),
            test_href: addresses::test(cluster, &namespace, &report.spec.test_ref),
            cluster: cluster.map(|_| ClusterMark::of(others, cluster, view.now)),
            test: report.spec.test_ref.clone(),
            is_live,
            standing: standing(&status, phase),
            score: status.score.filter(|_| status.result.is_some()),
            phases: PHASES
                .into_iter()
                .map(|each| Phase {
                    name: phase_word(each),
                    is_here: each == phase,
                })
                .collect(),
            ruler: levels.filter(|_| has_points).map(Ruler::of),
            message: status.message.clone().unwrap_or_default(),
            figures: figures(&report, &status, view.now),
            findings: status.findings.iter().map(finding).collect(),
            findings_omitted: status.findings_omitted,
            remedies: remedies(&status.findings),
            levels: levels
                .map(|levels| level_rows(in_order(levels)))
                .unwrap_or_default(),
            has_points,
            checks: status.checks.iter().map(check).collect(),
            no_timeline: match (shown.hidden.is_empty(), is_live) {
                (true, true) => "Nothing is measured yet.",
                (true, false) => "Nothing was measured.",
                (false, _) => "What took how long is not shown in this tier.",
            },
            timeline,
            backups: backups(&status)
                .into_iter()
                .map(|backup| of_backup(backup, view.now))
                .collect(),
            sandboxes: status
                .sandboxes
                .iter()
                .map(|sandbox| SandboxRow {
                    source: sandbox.source.clone(),
                    name: sandbox.name.clone(),
                    state: sandbox.state.clone().unwrap_or_default(),
                })
                .collect(),
            restores: status.restores.iter().map(restore).collect(),
            cleanup: status.leftovers.map(cleanup),
            plan: status.plan.iter().map(planned).collect(),
            logs: status.pod_logs.iter().flat_map(logs).collect(),
            missed: report.spec.missed.as_ref().map(missed),
            regressions: status.regressions,
            events_of: plural(status.events.len(), "event", "events"),
            events: status.events,
            hidden: shown.hidden,
            namespace,
            shell,
        }
    }
}

fn standing(status: &RestoreReportStatus, phase: RunPhase) -> Standing {
    match (status.result, phase) {
        (Some(result), _) => result.into(),
        (None, RunPhase::Queued) => Standing::Queued,
        (None, RunPhase::Completed) => Standing::Inconclusive,
        (None, _) => Standing::Running,
    }
}

fn figures(report: &RestoreReport, status: &RestoreReportStatus, now: Timestamp) -> Vec<Figure> {
    let moment = |at: Option<Timestamp>| at.map(|at| Moment::of(at, now));
    let started = moment(status.started_at.as_ref().map(|at| at.0));
    let ended = moment(status.completed_at.as_ref().map(|at| at.0));
    let rto = status.rto.as_ref();
    let target = rto.and_then(|rto| rto.target.as_deref());
    let backup = status.source.as_ref();
    let text = |text: Option<&str>| text.map_or_else(|| "–".to_owned(), stored_span);
    let queue = status.queue.as_ref().filter(|_| started.is_none());
    vec![
        Figure::new(
            "Recovery time",
            text(rto.map(|rto| rto.measured.as_str())),
            "",
            match (target, rto.is_some_and(|rto| rto.within_sla)) {
                (Some(target), true) => format!("kept the agreed {}", stored_span(target)),
                (Some(target), false) => format!("longer than the agreed {}", stored_span(target)),
                (None, _) if rto.is_some() => "none agreed".to_owned(),
                (None, _) => "measured once everything came up".to_owned(),
            },
        ),
        Figure::new(
            "Backup's age",
            text(backup.and_then(|backup| backup.age.as_deref())),
            "",
            backup.map(|backup| backup.name.clone()).unwrap_or_default(),
        ),
        Figure::new(
            "Started",
            started
                .as_ref()
                .map_or_else(|| "–".to_owned(), |at| at.relative.clone()),
            "",
            match (&started, queue) {
                (Some(at), _) => at.utc.clone(),
                (None, Some(queue)) => format!("place {} in the queue: {}", queue.position, queue.reason),
                (None, None) => String::new(),
            },
        ),
        Figure::new(
            "Judged",
            ended
                .as_ref()
                .map_or_else(|| "–".to_owned(), |at| at.relative.clone()),
            "",
            format!("made because {}", because(report)),
        ),
    ]
}

fn because(report: &RestoreReport) -> String {
    match why_it_ran(report.spec.trigger) {
        "" => "nobody noted why".to_owned(),
        "its schedule" => "it was due".to_owned(),
        "asked for here or by the API" => "it was asked for here or by the API".to_owned(),
        other => other.to_owned(),
    }
}

fn finding(finding: &Finding) -> FindingRow {
    FindingRow {
        standing: finding.severity.into(),
        severity: match finding.severity {
            Severity::Error => "Lost",
            Severity::Warning => "Warning",
            Severity::Info => "Note",
        },
        message: finding.message.clone(),
        cause: word::cause(finding.cause),
        level: match finding.level {
            FindingLevel::RestoreIntegrity => "restore integrity",
            FindingLevel::Completeness => "completeness",
            FindingLevel::PodStartup => "pod start-up",
            FindingLevel::InternalHealth => "internal health",
            FindingLevel::CrossNamespaceDeps => "dependencies",
            FindingLevel::RtoCompliance => "RTO",
            FindingLevel::Run => "the run as a whole",
        },
        reason: finding.reason.clone(),
        object: finding.object.clone().unwrap_or_default(),
    }
}

/// What to do about each cause that cost something.
fn remedies(findings: &[Finding]) -> Vec<Fact> {
    let costly = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info);
    let causes: BTreeSet<Cause> = costly.map(|finding| finding.cause).collect();
    causes
        .into_iter()
        .map(|cause| Fact::new(word::cause(cause), word::remedy(cause)))
        .collect()
}

fn level_rows(levels: [&LevelStatus; 6]) -> Vec<LevelRow> {
    let named = LEVELS.into_iter().zip(levels);
    named
        .map(|(name, level)| LevelRow {
            name,
            standing: level.status.into(),
            is_tested: level.status != kymaros_crds::LevelResult::NotTested,
            points: match (level.points, level.max) {
                (Some(points), Some(max)) => format!("{points} of {max}"),
                (Some(points), None) => points.to_string(),
                (None, _) => "–".to_owned(),
            },
            detail: level.detail.clone().unwrap_or_default(),
            tested: level.tested.clone(),
            not_tested: level.not_tested.clone(),
        })
        .collect()
}

fn check(check: &CheckStatus) -> CheckRow {
    CheckRow {
        name: check.name.clone(),
        required: check.required,
        namespace: check.namespace.clone().unwrap_or_default(),
        standing: check.status.into(),
        is_skipped: check.status == CheckResult::Skip,
        took: stored_span(&check.duration),
        message: check.message.clone(),
    }
}

/// Reports of one source may only have the first field.
fn backups(status: &RestoreReportStatus) -> Vec<&ResolvedBackup> {
    if status.sources.is_empty() {
        status.source.iter().collect()
    } else {
        status.sources.iter().collect()
    }
}

fn of_backup(backup: &ResolvedBackup, now: Timestamp) -> BackupRow {
    BackupRow {
        name: backup.name.clone(),
        schedule: backup.schedule.clone().unwrap_or_default(),
        started: backup.started.as_ref().map(|at| Moment::of(at.0, now)),
        size: backup.size.clone().unwrap_or_default(),
        phase: backup.phase.clone().unwrap_or_default(),
    }
}

fn restore(restore: &RestoreStatusSummary) -> RestoreRow {
    RestoreRow {
        name: restore.name.clone(),
        phase: restore.phase.clone().unwrap_or_default(),
        objects: match (restore.items_restored, restore.total_items) {
            (Some(done), Some(all)) => format!("{done} of {all}"),
            (Some(done), None) => done.to_string(),
            (None, _) => "–".to_owned(),
        },
        warnings: restore.warnings.unwrap_or_default(),
        errors: restore.errors.unwrap_or_default(),
    }
}

fn cleanup(leftovers: i32) -> Cleanup {
    match leftovers {
        0 => Cleanup {
            standing: Standing::Pass,
            text: "Nothing of this run is left in the cluster.".to_owned(),
        },
        count => Cleanup {
            standing: Standing::Partial,
            text: format!("{count} objects of this run are still in the cluster."),
        },
    }
}

fn planned(kind: &PlannedKind) -> PlanRow {
    PlanRow {
        kind: kind.kind.clone(),
        action: kind.action.word(),
        objects: kind.objects,
        reason: kind.reason.clone().unwrap_or_default(),
    }
}

fn logs(pod: &PodLog) -> Vec<LogRow> {
    let of_container = |container: &kymaros_crds::ContainerLog| {
        let which = match container.type_ {
            ContainerLogType::Container => "",
            ContainerLogType::Init => ", init",
            ContainerLogType::Previous => ", before the last restart",
        };
        let cut = match (container.truncated, container.total_lines) {
            (true, Some(lines)) => format!(", the end of {lines} lines"),
            (true, None) => ", cut".to_owned(),
            (false, _) => String::new(),
        };
        let (namespace, pod, name) = (&pod.namespace, &pod.pod_name, &container.name);
        LogRow {
            id: format!("log/{namespace}/{pod}/{name}{which}"),
            name: format!("{namespace}/{pod} {name}{which}{cut}"),
            text: container.log.clone(),
        }
    };
    pod.containers.iter().map(of_container).collect()
}
