//! A report as Markdown, for tickets and evidence.

use std::fmt::{self, Write};

use kube::ResourceExt;
use kymaros_crds::{CheckResult, LevelResult, RestoreReport, RestoreReportStatus, Severity};

use super::word;

/// Renders a report as GitHub-flavoured Markdown. What applications answered is text in it, and nothing else.
///
/// # Errors
/// Never, in fact: writing into a text cannot fail.
pub fn markdown(report: &RestoreReport) -> Result<String, fmt::Error> {
    let status = report.status.clone().unwrap_or_default();
    let mut out = String::new();
    head(&mut out, report, &status)?;
    levels(&mut out, &status)?;
    checks(&mut out, &status)?;
    timeline(&mut out, &status)?;
    findings(&mut out, &status)?;
    if let Some(cleanup) = super::cleanup(&status) {
        writeln!(out, "\n{cleanup}")?;
    }
    Ok(out)
}

fn head(out: &mut String, report: &RestoreReport, status: &RestoreReportStatus) -> fmt::Result {
    let verdict = match (status.score, status.result) {
        (Some(score), Some(result)) => format!("{}, {score}/100", word(result)),
        _ => super::undecided(status),
    };
    writeln!(out, "# Restore test {}: {verdict}", cell(&report.spec.test_ref))?;
    if let Some(message) = &status.message {
        writeln!(out, "\n{}", cell(message))?;
    }
    let time = |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
        time.as_ref().map(|time| time.0.to_string())
    };
    let source = status.source.as_ref();
    let rows = [
        ("run", Some(report.name_any())),
        ("namespace", report.namespace()),
        ("started", time(&status.started_at)),
        ("verdict", time(&status.completed_at)),
        ("backup", source.map(|source| source.name.clone())),
        ("age of the backup", source.and_then(|source| source.age.clone())),
        ("RTO", super::rto(status)),
        ("cause", status.cause.map(|cause| format!("{cause:?}"))),
    ];
    writeln!(out, "\n| | |\n|---|---|")?;
    for (name, value) in rows {
        if let Some(value) = value {
            writeln!(out, "| {name} | {} |", cell(&value))?;
        }
    }
    for worse in &status.regressions {
        writeln!(out, "| worse | {} |", cell(worse))?;
    }
    Ok(())
}

fn levels(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let levels = super::levels(status);
    if levels.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Levels\n\n| level | result | points | detail |\n|---|---|---|---|"
    )?;
    for (name, level) in levels {
        let result = match level.status {
            LevelResult::Pass => "pass",
            LevelResult::Partial => "partial",
            LevelResult::Fail => "fail",
            LevelResult::NotTested => "not tested",
        };
        let (points, max) = (level.points.unwrap_or_default(), level.max.unwrap_or_default());
        let detail = cell(level.detail.as_deref().unwrap_or_default());
        writeln!(out, "| {name} | {result} | {points}/{max} | {detail} |")?;
    }
    Ok(())
}

fn checks(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    if status.checks.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Checks\n\n| check | result | took | seen |\n|---|---|---|---|"
    )?;
    for check in &status.checks {
        let result = match check.status {
            CheckResult::Pass => "pass",
            CheckResult::Fail => "fail",
            CheckResult::Skip => "not made",
        };
        let required = if check.required { " (required)" } else { "" };
        let (name, took, seen) = (cell(&check.name), cell(&check.duration), cell(&check.message));
        writeln!(out, "| {name}{required} | {result} | {took} | {seen} |")?;
    }
    Ok(())
}

fn timeline(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let steps = super::steps(status);
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Timeline\n\n| step | after | took |\n|---|---|---|")?;
    for step in steps {
        let name = cell(&step.entry.name);
        writeln!(out, "| {name} | {:.2}s | {:.2}s |", step.offset, step.seconds)?;
    }
    Ok(())
}

fn findings(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    if status.findings.is_empty() {
        return writeln!(out, "\nNo findings.");
    }
    writeln!(
        out,
        "\n## Findings\n\n| severity | cause | reason | object | finding |\n|---|---|---|---|---|"
    )?;
    for finding in &status.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let object = cell(finding.object.as_deref().unwrap_or_default());
        let (reason, message) = (cell(&finding.reason), cell(&finding.message));
        let cause = finding.cause;
        writeln!(
            out,
            "| {severity} | {cause:?} | {reason} | {object} | {message} |"
        )?;
    }
    if status.findings_omitted > 0 {
        writeln!(out, "\n… and {} more.", status.findings_omitted)?;
    }
    Ok(())
}

/// A text in one cell: nothing in it is markup.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' => cell.extend(['\\', character]),
            '<' => cell += "&lt;",
            '&' => cell += "&amp;",
            c if c.is_control() => cell.push(' '),
            c => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_everything_and_no_markup_of_applications() {
        let report: RestoreReport = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "shop-1", "namespace": "ops" }, "spec": { "testRef": "shop" },
            "status": {
                "score": 61, "result": "fail", "message": "61/100, fail", "leftovers": 2, "findingsOmitted": 3,
                "startedAt": "2026-01-01T00:00:00Z",
                "rto": { "measured": "3m", "target": "2m", "withinSLA": false },
                "validationLevels": {
                    "restoreIntegrity": { "status": "pass", "points": 25, "max": 25, "detail": "a|b" },
                    "completeness": { "status": "not_tested" }, "podStartup": { "status": "not_tested" },
                    "internalHealth": { "status": "not_tested" }, "crossNamespaceDeps": { "status": "not_tested" },
                    "rtoCompliance": { "status": "fail", "points": 0, "max": 5 },
                },
                "checks": [{ "name": "page", "status": "fail", "duration": "1s", "required": true,
                             "message": "<script>\n**x**" }],
                "findings": [{ "level": "run", "severity": "error", "cause": "backup",
                               "reason": "VolumeWithoutData", "message": "no data" }],
                "timeline": [{ "name": "restore", "startedAt": "2026-01-01T00:00:00Z", "seconds": 2.5 }],
            },
        }))
        .unwrap();
        let text = markdown(&report).unwrap();
        for line in [
            "# Restore test shop: FAIL, 61/100",
            "| namespace | ops |",
            "| RTO | 3m, agreed 2m |",
            "| restore integrity | pass | 25/25 | a\\|b |",
            "| RTO | fail | 0/5 |  |",
            "| page (required) | fail | 1s | &lt;script> \\*\\*x\\*\\* |",
            "| restore | 0.00s | 2.50s |",
            "| error | Backup | VolumeWithoutData |  | no data |",
            "… and 3 more.",
            "Cleanup: 2 objects of this run are still there.",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
