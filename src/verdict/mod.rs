//! The verdict: six levels, findings with a cause each, score and result. Pure functions of what a run has seen.

mod blame;
mod completeness;
mod dependencies;
mod failure;
mod health;
mod level;
mod operations;
mod regression;
mod remade;
mod restore;
mod result;
mod rto;
mod startup;
mod there;
mod unread;
mod volumes;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use kymaros_crds::{
    Cause, CheckStatus, CompletenessCounts, Finding, FindingLevel, PreviousRun, ResolvedBackup,
    RestoreReportStatus, Rto, RunResult, Severity, ValidationLevels,
    domain::{self, Check, CheckAction, CompletenessBasis},
};

use crate::{
    reason::FindingReason,
    run::observed::{Came, Fetched, Observed, RestoreOutcome, RestoreSeen, Settings},
    source::SourceObjects,
    velero::results::BackupContents,
    workloads::{Trouble, Workload},
};

pub use blame::misses_backup;
pub use level::Level;
pub use regression::{is_fall, previous};
pub use rto::Recovery;

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
    /// Why `contents` and `outcome` could not be read.
    pub unavailable: [Option<&'a str>; 2],
    /// What its namespaces hold now, where that is compared.
    pub source: Option<&'a Fetched<SourceObjects>>,
    /// The labels the test selects by.
    pub selector: &'a BTreeMap<String, String>,
    /// Source namespace to sandbox.
    pub mapping: BTreeMap<String, String>,
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
    /// Names of those that only ask whether an object exists: no address decides that.
    pub lookups: Vec<&'a str>,
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
    /// The run that this one is compared with.
    pub previous: Option<&'a PreviousRun>,
    /// Somebody wants to be told of a missed recovery time.
    pub alert_on_exceed: bool,
}

fn lookups(checks: &[Check]) -> Vec<&str> {
    let is_one = |check: &&Check| matches!(check.action, CheckAction::ResourceExists { .. });
    checks
        .iter()
        .filter(is_one)
        .map(|check| check.name.as_str())
        .collect()
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
                unavailable: [
                    observed.contents.get(i).and_then(Fetched::why_not),
                    observed.outcomes.get(i).and_then(Fetched::why_not),
                ],
                mapping: crate::run::plan::mapping(&observed.identity, &settings.test, i),
                source: (source.completeness == CompletenessBasis::Source)
                    .then(|| observed.sources.get(i))
                    .flatten(),
                selector: &source.label_selector,
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
            lookups: lookups(&settings.checks),
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
            previous: settings.previous.as_ref(),
            alert_on_exceed: settings.test.sla.as_ref().is_some_and(|s| s.alert_on_exceed),
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
    pub rto: Option<Recovery>,
    /// What was agreed.
    pub max_rto: Option<Duration>,
    /// Findings made here.
    pub findings: Vec<Finding>,
    /// What got worse since the previous run.
    pub regressions: Vec<String>,
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
        status.regressions.clone_from(&self.regressions);
        let told = self.rto.and_then(|recovery| recovery.told(self.max_rto));
        status.rto = told.map(|measured| Rto {
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

/// Who is to blame for a workload that does not start, and why, as far as is known in the middle of a run.
#[must_use]
pub fn explain(
    observed: &Observed,
    settings: &Settings,
    workload: &Workload,
    trouble: &Trouble,
) -> (Cause, String) {
    startup::explain(
        &Evidence::of(observed, &observed.status, settings),
        workload,
        trouble,
    )
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
    let rto = rto::measured(evidence);
    let rto_compliance = rto::judge(evidence, rto, &mut findings);
    unread::lists(evidence, &mut findings);
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
        regressions: Vec::new(),
        result: RunResult::Inconclusive,
        cause: None,
    };
    (verdict.result, verdict.cause) = result::decide(&verdict, evidence);
    compare(&mut verdict, evidence.previous);
    verdict
}

/// A regression lowers nothing: the points are lost already. It is said, because a slow decline is easily missed.
fn compare(verdict: &mut Verdict, previous: Option<&PreviousRun>) {
    verdict.regressions = previous
        .map(|previous| regression::worse(previous, verdict))
        .unwrap_or_default();
    for message in verdict.regressions.clone() {
        verdict.findings.push(Finding {
            level: FindingLevel::Run,
            severity: Severity::Warning,
            cause: verdict.cause.unwrap_or(Cause::Unknown),
            reason: FindingReason::Regressed.into(),
            object: None,
            message,
        });
    }
}

/// The report in one sentence: score, result and the finding that matters most.
#[must_use]
pub fn sentence(status: &RestoreReportStatus) -> String {
    let score = status.score.unwrap_or_default();
    let result = status.result.unwrap_or(RunResult::Inconclusive).word();
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
