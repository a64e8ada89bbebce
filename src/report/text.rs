//! A report as text.

use std::fmt::{self, Write};

use anstyle::Style;
use kube::ResourceExt;
use kymaros_crds::{CheckResult, LevelResult, RestoreReport, RestoreReportStatus, Severity};

use super::{
    plain,
    style::{BAD, DOUBT, FAINT, GOOD, HEADING, of_result, paint},
    untold, word,
};

/// Width of a bar, characters.
const BAR: usize = 20;

/// Renders a report, in colours.
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
    untold::write(&mut out, &status)?;
    if let Some(cleanup) = super::cleanup(&status) {
        writeln!(out, "{cleanup}")?;
    }
    Ok(out)
}

fn head(out: &mut String, report: &RestoreReport, status: &RestoreReportStatus) -> fmt::Result {
    writeln!(
        out,
        "Restore test {}   run {}",
        paint(HEADING, plain(&report.spec.test_ref)),
        report.name_any()
    )?;
    match (status.score, status.result) {
        (Some(score), Some(result)) => {
            let shown = paint(of_result(result), format!("{:<10}", word(result)));
            writeln!(out, "  {shown} {}  {score}/100", bar(score, 100))?;
        }
        _ => writeln!(out, "  {}", super::undecided(status))?,
    }
    if let Some(message) = &status.message {
        writeln!(out, "  {}", plain(message))?;
    }
    if let Some(why) = super::why_it_ran(&report.spec) {
        writeln!(out, "  why it ran {}", plain(&why))?;
    }
    if let Some(restored) = super::restored(status) {
        writeln!(out, "  namespaces {}", plain(&restored))?;
    }
    for backup in super::backups(status) {
        writeln!(out, "  backup     {}", plain(&backup))?;
    }
    if let Some(rto) = super::rto(status) {
        writeln!(out, "  RTO        {}", plain(&rto))?;
    }
    if let Some(cause) = status.cause {
        writeln!(out, "  cause      {cause:?}")?;
    }
    if let Some(before) = &report.spec.missed {
        writeln!(out, "  missed     {}", super::missed(before))?;
    }
    for worse in &status.regressions {
        writeln!(out, "  worse      {}", plain(worse))?;
    }
    writeln!(out)
}

fn levels(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let levels = super::levels(status);
    if levels.is_empty() {
        return Ok(());
    }
    heading(out, "Levels")?;
    for (name, level) in levels {
        let (points, max) = (level.points.unwrap_or_default(), level.max.unwrap_or_default());
        let mark = match level.status {
            LevelResult::Pass => paint(GOOD, "✔"),
            LevelResult::Partial => paint(DOUBT, "◐"),
            LevelResult::Fail => paint(BAD, "✘"),
            LevelResult::NotTested => paint(FAINT, "–"),
        };
        let detail = plain(level.detail.as_deref().unwrap_or_default());
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
    heading(out, "Checks")?;
    for check in &status.checks {
        let mark = match check.status {
            CheckResult::Pass => paint(GOOD, "✔"),
            CheckResult::Fail => paint(BAD, "✘"),
            CheckResult::Skip => paint(FAINT, "–"),
        };
        let required = if check.required { " (required)" } else { "" };
        writeln!(
            out,
            "  {mark} {}{required}, {}: {}",
            plain(&check.name),
            plain(&check.duration),
            plain(&check.message)
        )?;
    }
    writeln!(out)
}

fn timeline(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    let steps = super::steps(status);
    if steps.is_empty() {
        return Ok(());
    }
    heading(out, "Timeline")?;
    let longest = steps.iter().map(|step| step.seconds).fold(0.001, f64::max);
    for step in steps {
        let bar = share(step.seconds / longest);
        writeln!(
            out,
            "  {:<16} +{:>7.2}s  {:>7.2}s  {bar}",
            plain(&step.entry.name),
            step.offset,
            step.seconds
        )?;
    }
    writeln!(out)
}

fn findings(out: &mut String, status: &RestoreReportStatus) -> fmt::Result {
    if status.findings.is_empty() {
        return writeln!(out, "No findings.");
    }
    heading(out, "Findings")?;
    for finding in &status.findings {
        let mark = match finding.severity {
            Severity::Error => paint(BAD, "✘"),
            Severity::Warning => paint(DOUBT, "!"),
            Severity::Info => paint(FAINT, "i"),
        };
        let object = finding
            .object
            .as_ref()
            .map(|object| format!(" [{}]", plain(object)))
            .unwrap_or_default();
        let reason = match finding.reason.as_str() {
            "" => String::new(),
            reason => format!("; {}", plain(reason)),
        };
        let cause = paint(FAINT, format!("(cause: {:?}{reason})", finding.cause));
        writeln!(out, "  {mark} {}{object}  {cause}", plain(&finding.message))?;
    }
    if status.findings_omitted > 0 {
        writeln!(out, "  … and {} more", status.findings_omitted)?;
    }
    Ok(())
}

pub(super) fn heading(out: &mut String, text: &str) -> fmt::Result {
    let style: Style = HEADING;
    writeln!(out, "{}", paint(style, text))
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
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kymaros_crds::Trigger;

    use super::*;

    fn report(status: serde_json::Value) -> RestoreReport {
        let mut report: RestoreReport = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "shop-1" }, "spec": { "testRef": "shop" },
        }))
        .unwrap();
        report.status = serde_json::from_value(status).unwrap();
        report
    }

    fn without_colours(report: &RestoreReport) -> String {
        anstream::adapter::strip_str(&text(report).unwrap()).to_string()
    }

    #[test]
    fn shows_the_verdict_and_what_is_behind_it() {
        let mut report = report(serde_json::json!({
            "phase": "Completed", "score": 61, "result": "fail", "message": "61/100, fail: no orders", "leftovers": 0,
            "findings": [{ "level": "run", "severity": "error", "cause": "backup", "reason": "VolumeWithoutData",
                           "object": "PersistentVolumeClaim/data", "message": "no data" }],
            "regressions": ["the score fell from 95 to 61 since shop-0"],
            "timeline": [{ "name": "restore", "startedAt": "2026-01-01T00:00:00Z", "seconds": 2.5 }],
        }));
        let first = "2025-12-29T00:00:00Z".parse().unwrap();
        report.spec.missed = Some(kymaros_crds::MissedTimes {
            times: 1,
            first: Time(first),
        });
        let text = without_colours(&report);
        for part in [
            "FAIL       ████████████░░░░░░░░  61/100",
            "worse      the score fell from 95 to 61 since shop-0",
            "missed     nothing ran for 2025-12-29T00:00:00Z",
            "✘ no data [PersistentVolumeClaim/data]  (cause: Backup; VolumeWithoutData)",
            "restore          +   0.00s     2.50s",
            "nothing of this run is left",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn what_was_restored_and_why_is_said() {
        let mut both = report(serde_json::json!({
            "source": { "name": "nightly", "age": "3h" },
            "sources": [{ "name": "nightly", "age": "3h" }, { "name": "db" }],
            "sandboxes": [{ "source": "shop", "name": "sb-1" }, { "source": "db", "name": "sb-2" },
                          { "source": "shop", "name": "sb-3" }],
        }));
        both.spec.trigger = Some(Trigger::Api);
        let text = without_colours(&both);
        let lines = [
            "  why it ran somebody asked for it by the API",
            "  namespaces shop, db",
            "  backup     nightly (3h old)",
            "  backup     db (of unknown age)",
        ];
        assert!(text.contains(&lines.join("\n")), "{text}");
        let old = report(serde_json::json!({ "source": { "name": "nightly", "age": "3h" } }));
        let text = without_colours(&old);
        assert!(text.contains("  backup     nightly (3h old)\n"), "{text}");
        assert!(
            !text.contains("why it ran") && !text.contains("namespaces"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_goes_on_says_where_it_is() {
        let text = without_colours(&report(serde_json::json!({ "phase": "Restoring" })));
        assert!(text.contains("  Restoring, no verdict yet"), "{text}");
    }

    #[test]
    fn what_others_say_does_nothing_to_the_terminal() {
        let bad = "a\u{1b}]0;mine\u{7}\n\u{9b}2Jb";
        let report = report(serde_json::json!({
            "score": 61, "result": "fail", "message": bad, "regressions": [bad], "rto": { "measured": bad, "withinSLA": false },
            "source": { "name": bad, "age": bad }, "sandboxes": [{ "source": bad, "name": "sb" }],
            "checks": [{ "name": bad, "status": "fail", "duration": bad, "message": bad }],
            "findings": [{ "level": "run", "severity": "error", "cause": "backup", "reason": bad, "object": bad,
                           "message": bad }],
            "timeline": [{ "name": bad, "startedAt": "2026-01-01T00:00:00Z", "seconds": 2.5 }],
            "validationLevels": {
                "restoreIntegrity": { "status": "pass", "detail": bad }, "completeness": { "status": "not_tested" },
                "podStartup": { "status": "not_tested" }, "internalHealth": { "status": "not_tested" },
                "crossNamespaceDeps": { "status": "not_tested" }, "rtoCompliance": { "status": "not_tested" },
            },
        }));
        let text = without_colours(&report);
        assert_eq!(text.matches("a ]0;mine   2Jb").count(), 14, "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }

    #[test]
    fn colours_say_how_bad_it_is() {
        let colour = |result: &str| {
            let report = report(serde_json::json!({ "score": 1, "result": result }));
            let text = text(&report).unwrap();
            let line = text.lines().nth(1).unwrap().to_owned();
            (line.contains("\u{1b}[32m"), line.contains("\u{1b}[31m"))
        };
        assert_eq!(colour("pass"), (true, false));
        assert_eq!(colour("fail"), (false, true));
        assert_eq!(colour("inconclusive"), (false, false));
    }
}
