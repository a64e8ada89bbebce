//! The troubleshooting page has a remedy for everything that the product says.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use kymaros::{
    api,
    reason::{ConditionReason, EventReason, FindingReason, LicenseReason, RunReason},
};
use kymaros_crds::names;
use kymaros_webhooks::observe::Webhook;

use super::{
    names::alerts,
    page::{Page, root},
    pattern,
};

/// The rows of the tables below a heading, up to the next one; each as its cells.
fn rows(page: &Page, heading: &str) -> Result<Vec<Vec<String>>> {
    let mut lines = page.text.lines().skip_while(|line| *line != heading);
    lines.next().with_context(|| format!("no {heading}"))?;
    let own = lines.take_while(|line| !line.starts_with('#'));
    let rows = own.filter(|line| line.starts_with("| ") && !line.starts_with("|---"));
    let cells = |line: &str| {
        let inner = line.trim().trim_matches('|');
        inner
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    // The first row of a table is its names.
    Ok(rows
        .map(cells)
        .filter(|cells| {
            cells
                .iter()
                .any(|cell| cell.contains('`') || cell.parse::<u16>().is_ok())
        })
        .collect())
}

/// What stands in backquotes.
fn words(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The words in a column, and that every row says what to do.
fn column(page: &Page, heading: &str, column: usize) -> Result<BTreeSet<String>> {
    let rows = rows(page, heading)?;
    for row in &rows {
        let says = row.last().is_some_and(|cell| !cell.is_empty());
        anyhow::ensure!(
            says || row.concat().contains("see below"),
            "{heading}: {row:?} says nothing"
        );
    }
    Ok(rows
        .iter()
        .filter_map(|row| row.get(column))
        .flat_map(|cell| words(cell))
        .collect())
}

fn all<T: Copy>(reasons: &[T], word: fn(T) -> &'static str) -> BTreeSet<String> {
    reasons.iter().map(|reason| word(*reason).to_owned()).collect()
}

/// Why a cluster is away, and why a Secret is no way to one, as far as the texts are always the same; `…` is what is not.
fn of_clusters() -> Result<BTreeSet<String>> {
    let (error, goes_on) = (pattern(r#"#\[error\(\s*"([^"]+)"\s*\)\]"#), pattern(r"\\\n\s*"));
    let open = pattern(r"\{\w+\}");
    let mut said = BTreeSet::new();
    for file in ["src/clusters/lost.rs", "src/clusters/refusal.rs"] {
        let text = fs::read_to_string(root().join(file)).with_context(|| format!("reading {file}"))?;
        for found in error.captures_iter(&text) {
            let whole = goes_on.replace_all(&found[1], "");
            let whole = whole.replace("{CLUSTER_LABEL}", names::CLUSTER_LABEL);
            // What follows is the remedy.
            let why = whole.split(';').next().unwrap_or_default();
            said.insert(open.replace_all(why, "…").trim().to_owned());
        }
    }
    Ok(said)
}

/// Reasons and alerts of the product that the page lacks, and those of the page that the product does not have.
fn differences(page: &Page) -> Result<Vec<String>> {
    let sections = [
        (
            "## Runs that ended early",
            0,
            all(RunReason::ALL, RunReason::as_str),
        ),
        ("## Findings", 0, all(FindingReason::ALL, FindingReason::as_str)),
        ("## Events", 0, all(EventReason::ALL, EventReason::as_str)),
        ("## Licenses", 0, all(LicenseReason::ALL, LicenseReason::as_str)),
        ("## Alerts", 0, alerts()),
        ("## Several clusters", 0, of_clusters()?),
    ];
    let mut wrong = Vec::new();
    for (heading, at, reasons) in sections {
        let told = column(page, heading, at)?;
        wrong.extend(
            reasons
                .difference(&told)
                .map(|reason| format!("{heading} lacks {reason}")),
        );
        wrong.extend(
            told.difference(&reasons)
                .map(|word| format!("{heading} has {word}, which nothing says")),
        );
    }
    let conditions = column(page, "## Conditions", 1)?;
    let reasons = all(ConditionReason::ALL, ConditionReason::as_str);
    wrong.extend(
        reasons
            .difference(&conditions)
            .map(|reason| format!("## Conditions lacks {reason}")),
    );
    let webhooks = column(page, "## Refused by admission", 0)?;
    for webhook in Webhook::ALL {
        let name = format!("{}.kymaros.io", webhook.as_str());
        if !webhooks.contains(&name) {
            wrong.push(format!("## Refused by admission lacks {name}"));
        }
    }
    let codes: BTreeSet<String> = rows(page, "## The API and the dashboard")?
        .iter()
        .filter_map(|row| row.first().cloned())
        .collect();
    let document = api::document();
    for operation in document["paths"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, path)| path.as_object())
    {
        for (code, _) in operation
            .values()
            .filter_map(|o| o["responses"].as_object())
            .flatten()
        {
            if !code.starts_with('2') && !codes.contains(code) {
                wrong.push(format!("## The API and the dashboard lacks {code}"));
            }
        }
    }
    Ok(wrong)
}

#[test]
fn every_reason_and_alert_has_its_remedy() -> Result<()> {
    let page = Page::read("docs/troubleshooting.md")?;
    assert_eq!(differences(&page)?, [""; 0]);
    for (without, named) in [
        ("| `TimedOut`", "lacks TimedOut"),
        ("| `VolumeDataLost`", "lacks VolumeDataLost"),
        ("| `TriggerRefused`", "lacks TriggerRefused"),
        ("| `LicenseInvalid`", "lacks LicenseInvalid"),
        ("| `Notified` | `GaveUp`", "lacks GaveUp"),
        ("| `guard.kymaros.io`", "lacks guard.kymaros.io"),
        ("| 409", "lacks 409"),
        ("| `KymarosLeakedObjects`", "lacks KymarosLeakedObjects"),
        ("| `it did not answer in time`", "lacks it did not answer in time"),
        (
            "| `data.kubeconfig is … bytes`",
            "lacks data.kubeconfig is … bytes",
        ),
    ] {
        let lines = page.text.lines().filter(|line| !line.starts_with(without));
        let text = lines.collect::<Vec<_>>().join("\n");
        let found = differences(&Page::of("docs/wrong.md", &text))?;
        assert!(
            found.iter().any(|found| found.contains(named)),
            "{without}: {found:?}"
        );
    }
    let invented = page.text.replace("| `TimedOut`", "| `TimeOut`");
    let found = differences(&Page::of("docs/wrong.md", &invented))?;
    assert!(
        found
            .iter()
            .any(|found| found.contains("TimeOut, which nothing says")),
        "{found:?}"
    );
    Ok(())
}
