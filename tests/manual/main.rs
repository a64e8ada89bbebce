//! The manual holds what it says: its links lead somewhere, its manifests and command lines are taken, and what it names
//! exists. What its guides do on a real cluster is tested in `guides`.

#[path = "../page/mod.rs"]
mod page;

mod answers;
mod blocks;
mod commands;
mod links;
mod manifests;
mod names;
mod troubleshooting;

use anyhow::Result;
use page::{Page, pages};
use regex::Regex;

/// What is wrong with the manual, by one look at each page; every look is also taken at a page that is wrong.
fn faults(look: impl Fn(&Page) -> Vec<String>) -> Result<Vec<String>> {
    Ok(pages()?.iter().flat_map(look).collect())
}

/// Every page stands up to a look.
fn all_stand_up_to(look: impl Fn(&Page) -> Vec<String>) -> Result<()> {
    let faults = faults(look)?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// A page with this text is found to be wrong, and `named` says at what.
fn is_found(look: impl Fn(&Page) -> Vec<String>, text: &str, named: &str) {
    let faults = look(&Page::of("docs/wrong.md", text));
    assert!(
        faults.iter().any(|fault| fault.contains(named)),
        "{named} is not found in {text}: {faults:?}"
    );
}

#[expect(clippy::unwrap_used, reason = "one that is wrong is seen at once")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}
