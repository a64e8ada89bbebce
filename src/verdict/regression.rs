//! Regression: what got worse since the previous completed run.

use std::time::Duration;

use kymaros_crds::{LevelResult, PreviousRun, RestoreReportStatus, RunResult, domain::duration};

use super::Verdict;

/// A drop of more points than this is a regression; as in 0.6.9.
const POINTS: i32 = 10;
/// Recovery times of a few seconds differ by half from run to run without meaning anything.
const NOISE: Duration = Duration::from_secs(5);

/// What of a run the next one is compared with; `None` when it said nothing about its backup.
#[must_use]
pub fn previous(report: &str, status: &RestoreReportStatus) -> Option<PreviousRun> {
    let said = status.result.is_some_and(RunResult::is_conclusive);
    let levels = status.validation_levels.clone().unwrap_or_default();
    let named = [
        ("restoreIntegrity", levels.restore_integrity),
        ("completeness", levels.completeness),
        ("podStartup", levels.pod_startup),
        ("internalHealth", levels.internal_health),
        ("crossNamespaceDeps", levels.cross_namespace_deps),
        ("rtoCompliance", levels.rto_compliance),
    ];
    said.then(|| PreviousRun {
        report: report.to_owned(),
        score: status.score.unwrap_or_default(),
        levels: named
            .into_iter()
            .filter(|(_, level)| level.status == LevelResult::Pass)
            .map(|(name, _)| name.to_owned())
            .collect(),
        rto: status.rto.as_ref().map(|rto| rto.measured.clone()),
    })
}

/// Whether a score fell by so much that it is a regression. Its sentence is then the first of all.
#[must_use]
pub const fn is_fall(before: i32, now: i32) -> bool {
    before - now > POINTS
}

/// What got worse, one sentence each.
pub(super) fn worse(previous: &PreviousRun, verdict: &Verdict) -> Vec<String> {
    if !verdict.result.is_conclusive() {
        return Vec::new();
    }
    let mut worse = Vec::new();
    let report = &previous.report;
    let score = i32::try_from(verdict.score()).unwrap_or_default();
    if is_fall(previous.score, score) {
        worse.push(format!(
            "the score fell from {} to {score} since {report}",
            previous.score
        ));
    }
    let now = [
        ("restoreIntegrity", &verdict.restore_integrity),
        ("completeness", &verdict.completeness),
        ("podStartup", &verdict.pod_startup),
        ("internalHealth", &verdict.internal_health),
        ("crossNamespaceDeps", &verdict.cross_namespace_deps),
        ("rtoCompliance", &verdict.rto_compliance),
    ];
    for (name, level) in now {
        let is_worse = !matches!(level.result(), LevelResult::Pass | LevelResult::NotTested);
        if is_worse && previous.levels.iter().any(|l| l == name) {
            worse.push(format!("{name} had full marks in {report} and has lost them"));
        }
    }
    let before = previous
        .rto
        .as_deref()
        .and_then(|text| duration::parse(text).ok());
    if let (Some(before), Some(now)) = (before, verdict.rto.map(|recovery| recovery.at_least))
        && now > before + (before / 2).max(NOISE)
    {
        worse.push(format!(
            "recovery took {}, more than half as long again as {} in {report}",
            duration::format(now),
            duration::format(before)
        ));
    }
    worse
}
