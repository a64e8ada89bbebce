//! Every answer of the FAQ is shown by tests that exist.

use std::fs;

use anyhow::{Context, Result};

use super::{
    page::{Page, root},
    pattern,
};

/// Answers that no test shows, and tests that are not there.
fn unshown(text: &str) -> Vec<String> {
    let shown = pattern(r"\[`(\w+)`\]\(\.\./([\w/.-]+\.rs)\)(\s\(before a release\))?");
    let mut wrong = Vec::new();
    for answer in text.split("\n### ").skip(1) {
        let question = answer.lines().next().unwrap_or_default();
        let mut tests = 0;
        for found in shown.captures_iter(answer) {
            tests += 1;
            if let Err(error) = is_test(&found[1], &found[2], found.get(3).is_some()) {
                wrong.push(format!("{question}: {error:#}"));
            }
        }
        if tests == 0 {
            wrong.push(format!("{question}: no test shows it"));
        }
    }
    wrong
}

/// Whether a file has a test of this name, and it is run as often as is said; one of a property counts.
fn is_test(name: &str, file: &str, is_rare: bool) -> Result<()> {
    let text = fs::read_to_string(root().join(file)).with_context(|| format!("reading {file}"))?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = pattern(&format!(r"^(async )?fn {name}\("));
    let at = lines.iter().position(|line| declared.is_match(line));
    let at = at.with_context(|| format!("{file} has no test {name}"))?;
    let before = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with(['#', '/']));
    let is_marked = before
        .clone()
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    anyhow::ensure!(is_marked, "{name} in {file} is no test");
    let is_ignored = before.clone().any(|line| line.starts_with("#[ignore"));
    anyhow::ensure!(
        is_ignored == is_rare,
        "{name} in {file} is to be marked `(before a release)` if it is ignored, and only then"
    );
    Ok(())
}

#[test]
fn every_answer_is_shown_by_tests_that_exist() -> Result<()> {
    let page = Page::read("docs/faq.md")?;
    assert!(page.text.matches("\n### ").count() >= 17);
    assert_eq!(unshown(&page.text), [""; 0]);
    let a = |shown: &str| format!("# F\n\n### Why?\n\nSo. {shown}\n");
    for (wrong, named) in [
        (a(""), "no test shows it"),
        (
            a("[`is_not_there`](../tests/guard/main.rs)"),
            "has no test is_not_there",
        ),
        (a("[`x`](../tests/nowhere.rs)"), "nowhere.rs"),
        (a("[`is_test`](../tests/manual/answers.rs)"), "is no test"),
        (
            a("[`the_guides_do_what_they_say`](../tests/guides.rs)"),
            "before a release",
        ),
        (
            a("[`what_gitops_tools_are_told_is_taken`](../tests/guides.rs) (before a release)"),
            "before a release",
        ),
    ] {
        let found = unshown(&wrong);
        assert!(
            found.iter().any(|found| found.contains(named)),
            "{wrong}: {found:?}"
        );
    }
    Ok(())
}

/// The license of everything is the one that the FAQ and the front page name.
#[test]
fn the_license_is_the_one_that_is_said() -> Result<()> {
    let read = |file: &str| fs::read_to_string(root().join(file)).with_context(|| format!("reading {file}"));
    assert!(read("LICENSE")?.contains("Apache License"));
    assert!(read("Cargo.toml")?.contains("license = \"Apache-2.0\""));
    assert!(read("charts/kymaros/Chart.yaml")?.contains("artifacthub.io/license: Apache-2.0"));
    Ok(())
}
