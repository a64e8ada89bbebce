//! SARIF 2.1.0 (OASIS), as code scanning reads it.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use super::{Place, Report, Severity, Unread, sentence};

/// The report as a SARIF log.
pub(in super::super) fn sarif(report: &Report) -> serde_json::Result<String> {
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let (rule, level) = match finding.severity {
                Severity::Error => ("invalid", "error"),
                Severity::Warning => ("unwise", "warning"),
            };
            json!({
                "ruleId": rule,
                "level": level,
                "message": { "text": sentence(finding) },
                "locations": [location(&finding.file, Some(finding.place))],
            })
        })
        .collect();
    let unread = report.unread.iter().map(|Unread { file, place, message }| {
        json!({
            "level": "error",
            "message": { "text": format!("{file} {message}") },
            "locations": [location(file, *place)],
        })
    });
    let unchecked = report
        .unchecked
        .iter()
        .map(|what| json!({ "level": "note", "message": { "text": format!("not checked here: {what}") } }));
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kymaros lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    rule("invalid", "The API server or the webhook refuses it"),
                    rule("unwise", "It is taken, but probably not what was meant"),
                ],
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.unread.is_empty(),
                "toolExecutionNotifications": unread.chain(unchecked).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

fn rule(id: &str, text: &str) -> Value {
    json!({ "id": id, "shortDescription": { "text": text } })
}

fn location(file: &str, place: Option<Place>) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
    if let Some(Place { line, column }) = place {
        physical["region"] = json!({ "startLine": line, "startColumn": column });
    }
    json!({ "physicalLocation": physical })
}

/// A file as a URI reference: relative as it was named, or `file://`.
fn uri(file: &str) -> String {
    let mut uri = if Path::new(file).is_absolute() {
        "file://".to_owned()
    } else {
        String::new()
    };
    let plain = file.strip_prefix("./").unwrap_or(file);
    for byte in plain.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_uris() {
        for (file, wanted) in [
            ("tests/shop.yaml", "tests/shop.yaml"),
            ("./a b/ä.yaml", "a%20b/%C3%A4.yaml"),
            ("/etc/x.yaml", "file:///etc/x.yaml"),
            ("100%.yaml", "100%25.yaml"),
        ] {
            assert_eq!(uri(file), wanted);
        }
    }
}
