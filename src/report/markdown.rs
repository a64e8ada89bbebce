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
    let backups: Vec<String> = super::backups(status).collect();
    let rows = [
        ("run", Some(report.name_any())),
        ("namespace", report.namespace()),
        ("why it ran", super::why_it_ran(&report.spec)),
        ("restored namespaces", super::restored(status)),
        ("backup", (!backups.is_empty()).then(|| backups.join(", "))),
        ("started", time(&status.started_at)),
        ("verdict", time(&status.completed_at)),
        ("RTO", super::rto(status)),
        ("cause", status.cause.map(|cause| format!("{cause:?}"))),
        ("missed", report.spec.missed.as_ref().map(super::missed)),
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

/// Nothing that is seen. Forges look for names, addresses and smileys in the text after Markdown is read, where no backslash
/// is left; what this stands in is none to them.
const NOTHING: &str = "&#8203;";

/// A text in one cell: nothing in it is markup, names somebody, or leads anywhere.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let rest = text.get(at + character.len_utf8()..).unwrap_or_default();
        match character {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' => cell.extend(['\\', character]),
            '#' => cell.extend(["\\#", NOTHING]),
            '@' => cell.extend(["@", NOTHING]),
            ':' if rest.starts_with("//") || is_smiley(rest) => cell.extend([":", NOTHING]),
            '.' if ends_with_www(&cell) => cell.extend([NOTHING, "."]),
            '$' => cell += "&#36;",
            '<' => cell += "&lt;",
            '&' => cell += "&amp;",
            c if c.is_control() => cell.push(' '),
            c => cell.push(c),
        }
    }
    cell
}

/// Whether a colon begins the name of a smiley. Two digits are none, but the minutes of a time.
fn is_smiley(rest: &str) -> bool {
    let Some((name, _)) = rest.split_once(':') else {
        return false;
    };
    let is_minutes = name.len() == 2 && name.bytes().all(|b| b.is_ascii_digit());
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-');
    !name.is_empty() && name.bytes().all(is_name) && !is_minutes
}

/// Whether an address without a scheme begins.
fn ends_with_www(cell: &str) -> bool {
    let start = cell.len().saturating_sub(3);
    cell.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_text_and_nothing_else() {
        for (said, written) in [
            ("~~gone~~", r"\~\~gone\~\~"),
            ("$x$ for $5", "&#36;x&#36; for &#36;5"),
            ("ask @octocat", "ask @&#8203;octocat"),
            ("as of #12", r"as of \#&#8203;12"),
            ("mail a@example.com", "mail a@&#8203;example.com"),
            ("see https://example.com/x", "see https:&#8203;//example.com/x"),
            ("see WWW.example.com", "see WWW&#8203;.example.com"),
            (":tada: and :+1:", ":&#8203;tada: and :&#8203;+1:"),
            (
                "exit code 0: web:80 at 03:00:12Z",
                "exit code 0: web:80 at 03:00:12Z",
            ),
            ("a\u{1b}]0;b\n", "a \\]0;b "),
        ] {
            assert_eq!(cell(said), written, "{said}");
        }
    }

    #[test]
    fn tables_hold_everything_and_no_markup_of_applications() {
        let report: RestoreReport = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "shop-1", "namespace": "ops" },
            "spec": { "testRef": "shop", "trigger": "Schedule", "scheduledFor": "2026-01-01T00:00:00Z",
                      "missed": { "times": 3, "first": "2025-12-29T00:00:00Z" } },
            "status": {
                "source": { "name": "nightly", "age": "3h" },
                "sources": [{ "name": "nightly", "age": "3h" }, { "name": "db|1" }],
                "sandboxes": [{ "source": "shop", "name": "sb-1" }, { "source": "db", "name": "sb-2" }],
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
            "| why it ran | its schedule, due 2026-01-01T00:00:00Z |",
            "| restored namespaces | shop, db |",
            "| backup | nightly (3h old), db\\|1 (of unknown age) |",
            "| RTO | 3m, agreed 2m |",
            "| missed | nothing ran for 3 planned times, the first 2025-12-29T00:00:00Z |",
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
