//! What the manual names exists: metrics, routes, values of the chart, fields of the kinds.

use std::{collections::BTreeSet, sync::LazyLock};

use anyhow::Result;
use kymaros::{
    api, metrics,
    reason::{ConditionReason, EventReason, FindingReason, LicenseReason, RunReason},
};
use kymaros_webhooks::Rule;
use regex::Regex;
use serde_json::Value;

use super::{
    all_stand_up_to,
    commands::values,
    is_found,
    page::{Page, Piece, root},
    pattern,
};

/// Words of others.
const OF_OTHERS: [&str; 4] = [
    "HttpOnly",
    "ServerSideDiff",
    "ValidatingAdmissionPolicy",
    "VolumeSnapshotContent",
];

/// Pieces of a page that match, with their lines. A line of a table may have many.
fn pieces(page: &Page, pattern: &Regex) -> Vec<Piece> {
    let lines = page.text.lines().enumerate();
    let found = lines.flat_map(|(at, line)| {
        let all = pattern.find_iter(line).map(move |found| Piece {
            line: at + 1,
            text: found.as_str().to_owned(),
        });
        all.collect::<Vec<_>>()
    });
    found.collect()
}

/// Metrics that nobody serves.
fn unknown_metrics(page: &Page) -> Vec<String> {
    static SERIES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let text = metrics::sample().unwrap_or_default();
        let name = pattern(r"(?m)^(kymaros_\w+)");
        name.captures_iter(&text)
            .map(|found| found[1].to_owned())
            .collect()
    });
    static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bkymaros_[a-z_]*[a-z]\b"));
    let unknown = pieces(page, &NAME).into_iter().filter(|name| {
        let of_histogram = format!("{}_sum", name.text);
        !SERIES.contains(&name.text) && !SERIES.contains(&of_histogram)
    });
    unknown
        .map(|name| format!("{}: there is no metric {}", page.at(name.line), name.text))
        .collect()
}

/// Routes that nobody serves.
fn unknown_routes(page: &Page) -> Vec<String> {
    static ROUTES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let document = api::document();
        let paths = document["paths"].as_object().into_iter().flatten();
        paths
            .map(|(path, _)| {
                let escaped = regex::escape(path).replace(r"\{name\}", r"[^/]+");
                pattern(&format!("^{escaped}$"))
            })
            .collect()
    });
    static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"/api/v1/[A-Za-z0-9/{}._-]*[A-Za-z0-9}]"));
    let unknown = pieces(page, &PATH)
        .into_iter()
        .filter(|path| !ROUTES.iter().any(|route| route.is_match(&path.text)));
    unknown
        .map(|path| format!("{}: there is no route {}", page.at(path.line), path.text))
        .collect()
}

/// Paths of fields and values, as `sla.maxRTO`, that begin like one and are none.
fn unknown_paths(page: &Page) -> Vec<String> {
    static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let mut known = values();
        for definition in kymaros_crds::generate::crds() {
            let definition = serde_json::to_value(definition).unwrap_or_default();
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            for part in ["spec", "status"] {
                fields(&schema["properties"][part], part, &mut known);
            }
        }
        known
    });
    static BEGINS: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| KNOWN.iter().filter_map(|path| path.split('.').next()).collect());
    static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z]\w*(\[\])?(\.\w+(\[\])?)+"));
    let mut unknown = Vec::new();
    for code in &page.code {
        let Some(path) = PATH.find(&code.text) else {
            continue;
        };
        let path = path.as_str().replace("[]", "");
        let begin = path.split('.').next().unwrap_or_default();
        let is_file = ["yaml", "md", "json", "rs", "crt", "io"]
            .iter()
            .any(|end| path.ends_with(&format!(".{end}")));
        if BEGINS.contains(begin) && !is_file && !KNOWN.contains(&path) {
            unknown.push(format!(
                "{}: there is no field or value {path}",
                page.at(code.line)
            ));
        }
    }
    unknown
}

/// Single words in capitals, as reasons, phases and alerts are, that nothing of ours says. Generated pages say what is.
fn unknown_words(page: &Page) -> Vec<String> {
    static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let reasons = [
            RunReason::ALL.iter().map(|r| r.as_str()).collect::<Vec<_>>(),
            FindingReason::ALL.iter().map(|r| r.as_str()).collect(),
            ConditionReason::ALL.iter().map(|r| r.as_str()).collect(),
            EventReason::ALL.iter().map(|r| r.as_str()).collect(),
            LicenseReason::ALL.iter().map(|r| r.as_str()).collect(),
            OF_OTHERS.to_vec(),
        ];
        let mut known: BTreeSet<String> = reasons.concat().into_iter().map(str::to_owned).collect();
        known.extend(alerts());
        known.extend(Rule::OTHERS.map(|rule| rule.as_str().to_owned()));
        // Kinds, and the values of their fields.
        let word = pattern(r"[A-Z][A-Za-z]+");
        let kinds = kymaros_crds::generate::yaml();
        known.extend(word.find_iter(&kinds).map(|found| found.as_str().to_owned()));
        known
    });
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Z][a-z]+([A-Z][A-Za-z]*)+$"));
    if page.path.starts_with("docs/reference/") {
        return Vec::new();
    }
    let words = page.code.iter().filter(|code| WORD.is_match(&code.text));
    let unknown = words.filter(|word| !KNOWN.contains(&word.text));
    unknown
        .map(|word| format!("{}: nothing says {}", page.at(word.line), word.text))
        .collect()
}

/// The alerts of the chart's rules.
pub fn alerts() -> BTreeSet<String> {
    let rules = std::fs::read_to_string(root().join("charts/kymaros/templates/prometheusrule.yaml"));
    let alert = pattern(r"alert: (\w+)");
    let found = alert.captures_iter(rules.as_deref().unwrap_or_default());
    found.map(|found| found[1].to_owned()).collect()
}

/// The paths of all fields, each whole and from below `spec` or `status` on.
fn fields(schema: &Value, path: &str, known: &mut BTreeSet<String>) {
    known.insert(path.to_owned());
    if let Some((_, short)) = path.split_once('.') {
        known.insert(short.to_owned());
    }
    let inner = if schema["items"].is_object() {
        &schema["items"]
    } else {
        schema
    };
    for (name, below) in inner["properties"].as_object().into_iter().flatten() {
        fields(below, &format!("{path}.{name}"), known);
    }
}

#[test]
fn every_metric_that_is_named_exists() -> Result<()> {
    all_stand_up_to(unknown_metrics)?;
    is_found(unknown_metrics, "`kymaros_scores`", "kymaros_scores");
    is_found(
        unknown_metrics,
        "```promql\nrate(kymaros_tests[1h])\n```",
        "kymaros_tests",
    );
    let fine = "`kymaros_tests_total` `kymaros_test_duration_seconds` `kymaros_test_duration_seconds_bucket`";
    assert_eq!(unknown_metrics(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}

#[test]
fn every_route_that_is_named_exists() -> Result<()> {
    all_stand_up_to(unknown_routes)?;
    is_found(unknown_routes, "GET /api/v1/test", "/api/v1/test");
    is_found(
        unknown_routes,
        "`/api/v1/tests/shop/start`",
        "/api/v1/tests/shop/start",
    );
    let fine = "/api/v1/tests/{name}/trigger, /api/v1/tests/shop/trigger, /api/v1/reports?latest=true";
    assert_eq!(unknown_routes(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}

#[test]
fn every_field_and_value_that_is_named_exists() -> Result<()> {
    all_stand_up_to(unknown_paths)?;
    for wrong in ["sla.maxRto", "spec.sandbox.tt", "image.regstry", "status.finding"] {
        is_found(unknown_paths, &format!("`{wrong}`"), wrong);
    }
    let fine = "`sla.maxRTO: 2h` `spec.backupSource.namespaces[].name` `image.registry` `values.yaml` `status.findings`";
    assert_eq!(unknown_paths(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}

#[test]
fn every_reason_and_alert_that_is_named_exists() -> Result<()> {
    all_stand_up_to(unknown_words)?;
    for wrong in [
        "TimeOut",
        "VolumeDataLose",
        "KymarosRestoreTestFails",
        "RestoreTests",
    ] {
        is_found(unknown_words, &format!("`{wrong}`"), wrong);
    }
    let fine = "`TimedOut` `RestoreTest` `KymarosLeakedObjects` `UntilTTL` Plain";
    assert_eq!(unknown_words(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}
