//! A report for people: score by level, timeline, checks and findings as text. A pure function.

use std::fmt::{self, Write};

use kube::ResourceExt;
use kymaros_crds::{
    CheckResult, LevelResult, LevelStatus, RestoreReport, RestoreReportStatus, RunResult, Severity,
};

/// Width of a bar, characters.
const BAR: usize = 20;

/// Renders a report.
///
/// # Errors
/// Never, in fact: writing into a text cannot fail.
pub fn text(report: &RestoreReport) -> Result<String, fmt::Error> {
    let status = report.status.clone().unwrap_or_default();
    let mut out = String::new();
    head(&mut out, report, &status)?;
    levels(&mut out, &status)?;
    checks(&mut out, &status)?;
    timeline(&mut out, &status)?;
    findings(&mut out, &status)?;
    foot(&mut out, &status)?;
    Ok(out)
}

fn head(out: &mut String, report: &RestoreReport, status: &RestoreReportStatus) -> fmt::Result {
    writeln!(
        out,
        "Restore test {}   run {}",
        report.spec.test_ref,
        report.name_any()
    )?;
    match (status.score, status.result) {
        (Some(score), Some(result)) => {
            writeln!(out, "  {:<10} {}  {score}/100", word(result), bar(score, 100))?;
        }
        _ => writeln!(out, "  {:?}, no verdict yet", status.phase)?,
    }
    if let Some(message) = &status.message {
        writeln!(out, "  {message}")?;
    }
    if let Some(source) = &status.source {
        let age = source.age.as_deref().unwrap_or("unknown");
        writeln!(out, "  backup     {} ({age} old)", source.name)?;
    }
    if let Some(rto) = &status.rto {
        let target = rto
            .target
            .as_ref()
            .map(|t| format!(", agreed {t}"))
            .unwrap_or_default();
        writeln!(out, "  RTO        {}{target}", rto.measured)?;
    }
    if let Some(cause) = status.cause {
        writeln!(out, "  cause      {cause:?}")?;
    }
    writeln!(out)
}

fn levels(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let Some(levels) = &status.validation_levels else {
        return Ok(());
    };
    writeln!(out, "Levels")?;
    let rows: [(&str, &LevelStatus); 6] = [
        ("restore integrity", &levels.restore_integrity),
        ("completeness", &levels.completeness),
        ("pod start-up", &levels.pod_startup),
        ("internal health", &levels.internal_health),
        ("dependencies", &levels.cross_namespace_deps),
        ("RTO", &levels.rto_compliance),
    ];
    for (name, level) in rows {
        let (points, max) = (level.points.unwrap_or_default(), level.max.unwrap_or_default());
        let mark = match level.status {
            LevelResult::Pass => "✔",
            LevelResult::Partial => "◐",
            LevelResult::Fail => "✘",
            LevelResult::NotTested => "–",
        };
        let detail = level.detail.as_deref().unwrap_or_default();
        writeln!(
            out,
            "  {mark} {name:<18} {points:>2}/{max:<2}  {}  {detail}",
            bar(points, max)
        )?;
    }
    writeln!(out)
}

fn checks(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    if status.checks.is_empty() {
        return Ok(());
    }
    writeln!(out, "Checks")?;
    for check in &status.checks {
        let mark = match check.status {
            CheckResult::Pass => "✔",
            CheckResult::Fail => "✘",
            CheckResult::Skip => "–",
        };
        let required = if check.required { " (required)" } else { "" };
        writeln!(
            out,
            "  {mark} {}{required}, {}: {}",
            check.name, check.duration, check.message
        )?;
    }
    writeln!(out)
}

fn timeline(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let done: Vec<_> = status
        .timeline
        .iter()
        .filter_map(|e| Some((e, e.seconds?, e.started_at.as_ref()?.0)))
        .collect();
    let Some(begin) = done.iter().map(|(_, _, at)| *at).min() else {
        return Ok(());
    };
    writeln!(out, "Timeline")?;
    let longest = done.iter().map(|(_, s, _)| *s).fold(0.001, f64::max);
    for (entry, seconds, at) in done {
        let offset = at.duration_since(begin).as_secs_f64();
        let bar = share(seconds / longest);
        writeln!(
            out,
            "  {:<16} +{offset:>7.2}s  {seconds:>7.2}s  {bar}",
            entry.name
        )?;
    }
    writeln!(out)
}

fn findings(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    if status.findings.is_empty() {
        return writeln!(out, "No findings.");
    }
    writeln!(out, "Findings")?;
    for finding in &status.findings {
        let mark = match finding.severity {
            Severity::Error => "✘",
            Severity::Warning => "!",
            Severity::Info => "i",
        };
        let object = finding
            .object
            .as_ref()
            .map(|o| format!(" [{o}]"))
            .unwrap_or_default();
        writeln!(
            out,
            "  {mark} {}{object}  (cause: {:?})",
            finding.message, finding.cause
        )?;
    }
    if status.findings_omitted > 0 {
        writeln!(out, "  … and {} more", status.findings_omitted)?;
    }
    Ok(())
}

fn foot(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    match status.leftovers {
        Some(0) => writeln!(out, "Cleanup: nothing of this run is left in the cluster."),
        Some(n) => writeln!(out, "Cleanup: {n} objects of this run are still there."),
        None => Ok(()),
    }
}

fn word(result: RunResult) -> &'static str {
    match result {
        RunResult::Pass => "PASS",
        RunResult::Partial => "PARTIAL",
        RunResult::Fail => "FAIL",
        RunResult::Inconclusive => "INCONCLUSIVE",
    }
}

/// A bar for a share of one; the least of them is still seen.
fn share(share: f64) -> String {
    let tenths = (1..=20_u8)
        .filter(|i| share > 0.0 && share >= f64::from(*i - 1) / 20.0)
        .count();
    (0..BAR).map(|i| if i < tenths { '█' } else { ' ' }).collect()
}

fn bar(points: i32, max: i32) -> String {
    let filled = usize::try_from(points.max(0)).unwrap_or(0) * BAR / usize::try_from(max.max(1)).unwrap_or(1);
    (0..BAR).map(|i| if i < filled { '█' } else { '░' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_verdict_and_what_is_behind_it() {
        let report: RestoreReport = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "shop-1" }, "spec": { "testRef": "shop" },
            "status": {
                "phase": "Completed", "score": 61, "result": "fail", "message": "61/100, fail: no orders", "leftovers": 0,
                "findings": [{ "level": "run", "severity": "error", "cause": "backup",
                               "object": "PersistentVolumeClaim/data", "message": "no data" }],
                "timeline": [{ "name": "restore", "startedAt": "2026-01-01T00:00:00Z", "seconds": 2.5 }],
            },
        }))
        .unwrap();
        let text = text(&report).unwrap();
        for part in [
            "FAIL",
            "61/100",
            "no data [PersistentVolumeClaim/data]",
            "restore",
            "nothing of this run is left",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
