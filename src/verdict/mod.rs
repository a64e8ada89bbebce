//! The verdict: six levels, findings with a cause each, score and result. Pure functions of what a run has seen.

mod blame;
mod completeness;
mod dependencies;
mod health;
mod restore;
mod result;
mod startup;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use kymaros_crds::{
    Cause, CheckStatus, CompletenessCounts, Finding, FindingLevel, LevelResult, LevelStatus, ResolvedBackup,
    RestoreReportStatus, Rto, RunResult, Severity, ValidationLevels, domain,
};

use crate::{
    run::observed::{Came, Fetched, Observed, RestoreOutcome, RestoreSeen, Settings},
    velero::results::BackupContents,
};

/// What one backup source of a run has seen.
#[derive(Clone, Debug)]
pub struct SourceEvidence<'a> {
    /// The backup that was restored.
    pub backup: Option<&'a ResolvedBackup>,
    /// What it holds, when that could be read.
    pub contents: Option<&'a BackupContents>,
    /// Our Restore.
    pub restore: Option<&'a RestoreSeen>,
    /// What the Restore did, when that could be read.
    pub outcome: Option<&'a RestoreOutcome>,
    /// Source namespace to sandbox.
    pub mapping: BTreeMap<String, String>,
    /// The test selects objects by label, so absence of others is wanted.
    pub selects_by_label: bool,
}

/// Everything a verdict rests on.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// One a backup source.
    pub sources: Vec<SourceEvidence<'a>>,
    /// What came up; `None` when the run ended before.
    pub came: Option<&'a Came>,
    /// Workloads that were restored and are not in their sandbox any more: source namespace and `Kind/name`.
    pub absent: Vec<(String, String)>,
    /// Results of the checks.
    pub checks: &'a [CheckStatus],
    /// How many checks there should be.
    pub expected_checks: usize,
    /// The policy that does not exist.
    pub missing_policy: Option<&'a str>,
    /// All source namespaces of the test.
    pub namespaces: Vec<&'a str>,
    /// The agreed time.
    pub max_rto: Option<Duration>,
    /// Findings made on the way.
    pub findings: &'a [Finding],
    /// Whether the run was cut short before its checks ended.
    pub ended_early: bool,
}

impl<'a> Evidence<'a> {
    /// Takes the evidence out of a snapshot; `status` is the one being written.
    #[must_use]
    pub fn of(observed: &'a Observed, status: &'a RestoreReportStatus, settings: &'a Settings) -> Self {
        let sources = settings
            .test
            .sources
            .iter()
            .enumerate()
            .map(|(i, source)| SourceEvidence {
                backup: status.sources.get(i),
                contents: observed.contents.get(i).and_then(Fetched::get),
                restore: observed.restores.get(i).and_then(Option::as_ref),
                outcome: observed.outcomes.get(i).and_then(Fetched::get),
                mapping: crate::run::plan::mapping(&observed.identity, &settings.test, i),
                selects_by_label: !source.label_selector.is_empty(),
            });
        Self {
            sources: sources.collect(),
            came: observed.workloads.as_ref(),
            absent: (0..settings.test.sources.len())
                .map(|i| crate::run::plan::mapping(&observed.identity, &settings.test, i))
                .flat_map(|mapping| observed.absent_workloads(&mapping))
                .collect(),
            checks: &status.checks,
            expected_checks: settings.checks.len(),
            missing_policy: settings.missing_policy.as_deref(),
            namespaces: settings
                .test
                .sources
                .iter()
                .flat_map(|s| &s.namespaces)
                .map(|n| n.name.as_str())
                .collect(),
            max_rto: settings.test.sla.as_ref().map(|s| s.max_rto),
            findings: &status.findings,
            ended_early: status.reason.is_some(),
        }
    }

    /// Whether every Restore came to an end that left something to look at.
    fn restored(&self) -> bool {
        use crate::velero::restore::RestorePhase::{Completed, PartiallyFailed};
        let ended = |s: &SourceEvidence<'_>| {
            s.restore
                .is_some_and(|r| matches!(r.phase, Completed | PartiallyFailed))
        };
        !self.sources.is_empty() && self.sources.iter().all(ended)
    }
}

/// One judged level.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Points earned.
    pub points: u32,
    /// Points that full marks give.
    pub max: u32,
    /// In one sentence.
    pub detail: String,
    /// What was looked at.
    pub tested: Vec<String>,
    /// What was not, and why.
    pub not_tested: Vec<String>,
    /// Whether there was anything to judge.
    pub judged: bool,
}

impl Level {
    fn not_tested(max: u32, detail: &str) -> Self {
        Self {
            points: 0,
            max,
            detail: detail.to_owned(),
            tested: Vec::new(),
            not_tested: Vec::new(),
            judged: false,
        }
    }

    /// Points in proportion, rounded down: full marks only for everything.
    fn share(max: u32, good: usize, all: usize, detail: String) -> Self {
        let earned = (max as usize * good.min(all)).checked_div(all);
        let points = earned.and_then(|p| p.try_into().ok()).unwrap_or(max);
        Self {
            points,
            max,
            detail,
            tested: Vec::new(),
            not_tested: Vec::new(),
            judged: true,
        }
    }

    fn result(&self) -> LevelResult {
        match (self.judged, self.points) {
            (false, _) => LevelResult::NotTested,
            (true, points) if points == self.max => LevelResult::Pass,
            (true, 0) => LevelResult::Fail,
            (true, _) => LevelResult::Partial,
        }
    }

    fn status(&self) -> LevelStatus {
        const MOST: usize = 50;
        LevelStatus {
            status: self.result(),
            detail: Some(self.detail.clone()).filter(|d| !d.is_empty()),
            tested: self.tested.iter().take(MOST).cloned().collect(),
            not_tested: self.not_tested.iter().take(MOST).cloned().collect(),
            points: Some(i32::try_from(self.points).unwrap_or_default()),
            max: Some(i32::try_from(self.max).unwrap_or_default()),
        }
    }
}

/// The verdict of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The levels, in the order of the report.
    pub restore_integrity: Level,
    /// See [`ValidationLevels`].
    pub completeness: Level,
    /// See [`ValidationLevels`].
    pub pod_startup: Level,
    /// See [`ValidationLevels`].
    pub internal_health: Level,
    /// See [`ValidationLevels`].
    pub cross_namespace_deps: Level,
    /// See [`ValidationLevels`].
    pub rto_compliance: Level,
    /// Objects in the sandboxes and in the backup, by kind.
    pub counts: CompletenessCounts,
    /// From the Restore's start to the last needed moment.
    pub rto: Option<Duration>,
    /// What was agreed.
    pub max_rto: Option<Duration>,
    /// Findings made here.
    pub findings: Vec<Finding>,
    /// The result, after all caps.
    pub result: RunResult,
    /// Who is to blame for what was lost.
    pub cause: Option<Cause>,
}

impl Verdict {
    /// The score, 0 to 100.
    #[must_use]
    pub fn score(&self) -> u32 {
        self.levels().iter().map(|l| l.points).sum()
    }

    fn levels(&self) -> [&Level; 6] {
        [
            &self.restore_integrity,
            &self.completeness,
            &self.pod_startup,
            &self.internal_health,
            &self.cross_namespace_deps,
            &self.rto_compliance,
        ]
    }

    /// Writes everything but the findings into a status.
    pub fn write_to(&self, status: &mut RestoreReportStatus) {
        status.score = Some(i32::try_from(self.score()).unwrap_or_default());
        status.result = Some(self.result);
        status.cause = self.cause;
        status.validation_levels = Some(ValidationLevels {
            restore_integrity: self.restore_integrity.status(),
            completeness: self.completeness.status(),
            pod_startup: self.pod_startup.status(),
            internal_health: self.internal_health.status(),
            cross_namespace_deps: self.cross_namespace_deps.status(),
            rto_compliance: self.rto_compliance.status(),
        });
        status.completeness = Some(self.counts.clone());
        status.rto = self.rto.map(|measured| Rto {
            measured: domain::duration::format(measured),
            target: self.max_rto.map(domain::duration::format),
            within_sla: self.max_rto.is_none_or(|max| measured <= max),
        });
        status.backup = status.source.as_ref().map(|source| kymaros_crds::BackupInfo {
            name: source.name.clone(),
            age: source.age.clone().unwrap_or_default(),
            size: source.size.clone(),
        });
    }
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Vec::new();
    let restore_integrity = restore::judge(evidence, &mut findings);
    let (completeness, counts) = completeness::judge(evidence, &mut findings);
    let pod_startup = startup::judge(evidence, &mut findings);
    let internal_health = health::judge(evidence, &mut findings);
    let cross_namespace_deps = dependencies::judge(evidence, &mut findings);
    let rto = measured_rto(evidence);
    let rto_compliance = judge_rto(evidence, rto, &mut findings);
    let mut verdict = Verdict {
        restore_integrity,
        completeness,
        pod_startup,
        internal_health,
        cross_namespace_deps,
        rto_compliance,
        counts,
        rto,
        max_rto: evidence.max_rto,
        findings,
        result: RunResult::Inconclusive,
        cause: None,
    };
    (verdict.result, verdict.cause) = result::decide(&verdict, evidence);
    verdict
}

/// From the Restore's start to the moment the last workload was ready and the last check first passed: timestamps of
/// the API server and of the checks, so a restart of the operator changes nothing.
fn measured_rto(evidence: &Evidence<'_>) -> Option<Duration> {
    let started = evidence.sources.iter().filter_map(|s| s.restore?.started).min()?;
    let came = evidence.came.filter(|_| evidence.restored())?;
    if !came.all_ready() || !evidence.absent.is_empty() {
        return None;
    }
    let restored = evidence.sources.iter().filter_map(|s| s.restore?.completed).max();
    let checked = evidence
        .checks
        .iter()
        .filter_map(|c| c.passed_at.as_ref())
        .map(|t| t.0)
        .max();
    let end: Timestamp = [restored, came.last_ready(), checked]
        .into_iter()
        .flatten()
        .max()?;
    let millis = u64::try_from(end.duration_since(started).as_millis()).ok()?;
    Some(Duration::from_millis(millis))
}

fn judge_rto(evidence: &Evidence<'_>, rto: Option<Duration>, findings: &mut Vec<Finding>) -> Level {
    const MAX: u32 = 5;
    let Some(measured) = rto else {
        return Level::not_tested(MAX, "the application did not come up, so there is no RTO");
    };
    let shown = domain::duration::format(measured);
    match evidence.max_rto {
        None => Level::share(MAX, 1, 1, format!("{shown}; no SLA is set")),
        Some(max) if measured <= max => Level::share(
            MAX,
            1,
            1,
            format!("{shown}, within {}", domain::duration::format(max)),
        ),
        Some(max) => {
            let message = format!(
                "RTO {shown} is more than the agreed {}",
                domain::duration::format(max)
            );
            findings.push(Finding {
                level: FindingLevel::RtoCompliance,
                severity: Severity::Warning,
                cause: Cause::Application,
                object: None,
                message: message.clone(),
            });
            Level::share(MAX, 0, 1, message)
        }
    }
}

/// The report in one sentence: score, result and the finding that matters most.
#[must_use]
pub fn sentence(status: &RestoreReportStatus) -> String {
    let score = status.score.unwrap_or_default();
    let result = match status.result {
        Some(RunResult::Pass) => "pass",
        Some(RunResult::Partial) => "partial",
        Some(RunResult::Fail) => "fail",
        Some(RunResult::Inconclusive) | None => "inconclusive",
    };
    let rank = |f: &&Finding| match f.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
    };
    let main = status
        .findings
        .iter()
        .filter(|f| f.severity != Severity::Info)
        .min_by_key(rank);
    match main {
        Some(finding) => format!("{score}/100, {result}: {}", finding.message),
        None => format!("{score}/100, {result}"),
    }
}
