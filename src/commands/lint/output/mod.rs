//! The report in its three forms.

mod sarif;

use std::fmt::Write;

use serde_json::json;

use super::report::{Finding, Place, Report, Severity, Unread};

pub(super) use sarif::sarif;

/// One line a finding, and a summary.
pub(super) fn human(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for Unread { file, place, message } in &report.unread {
        let line = place
            .map(|Place { line, .. }| format!(":{line}"))
            .unwrap_or_default();
        let _ = writeln!(text, "{file}{line}: {message}");
    }
    for finding in &report.findings {
        let _ = writeln!(
            text,
            "{}:{}: {}",
            finding.file,
            finding.place.line,
            sentence(finding)
        );
    }
    let _ = writeln!(
        text,
        "{} checked: {}, {}{}",
        counted(report.checked, "object"),
        counted(report.count(Severity::Error), "error"),
        counted(report.count(Severity::Warning), "warning"),
        match report.skipped {
            0 => String::new(),
            skipped => format!("; {} of other kinds left out", counted(skipped, "document")),
        }
    );
    if !report.unread.is_empty() {
        let _ = writeln!(text, "{} could not be read", counted(report.unread.len(), "file"));
    }
    if !report.unchecked.is_empty() {
        text.push_str("not checked here, because only a cluster knows:\n");
        for what in &report.unchecked {
            let _ = writeln!(text, "  {what}");
        }
    }
    text
}

/// `field: value: message`, the same everywhere.
fn sentence(finding: &Finding) -> String {
    let Finding {
        severity,
        field,
        value,
        message,
        ..
    } = finding;
    let mark = match severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    };
    match value {
        Some(value) => format!("{mark}{field}: {value:?}: {message}"),
        None => format!("{mark}{field}: {message}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// One JSON object.
pub(super) fn json(report: &Report) -> serde_json::Result<String> {
    let unchecked: Vec<String> = report.unchecked.iter().map(ToString::to_string).collect();
    let whole = json!({
        "checked": report.checked,
        "skipped": report.skipped,
        "findings": report.findings,
        "unread": report.unread,
        "notChecked": unchecked,
    });
    serde_json::to_string_pretty(&whole).map(|text| text + "\n")
}
