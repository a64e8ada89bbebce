//! What becomes of each code block.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{
    all_stand_up_to, is_found,
    page::{Block, ELSEWHERE, GUIDES, Page, pages},
};

/// Languages, and the marks that each may have.
const LANGUAGES: [(&str, &[&str]); 6] = [
    ("sh", &["stays", "refused", "elsewhere"]),
    ("console", &[]),
    ("yaml", &["file", "refused", "part", "values"]),
    ("json", &[]),
    ("text", &[]),
    ("promql", &[]),
];

/// Blocks that no test knows what to do with.
fn unknown(page: &Page) -> Vec<String> {
    let unknown = page
        .blocks
        .iter()
        .filter_map(|block| Some((block, trouble(page, block)?)));
    unknown
        .map(|(block, why)| format!("{}: {why}", page.at(block.line)))
        .collect()
}

fn trouble(page: &Page, block: &Block) -> Option<String> {
    let language = &block.language;
    let Some((_, marks)) = LANGUAGES.iter().find(|(known, _)| known == language) else {
        return Some(format!(
            "a block of the language {language:?}; which are known: {LANGUAGES:?}"
        ));
    };
    if let Some(mark) = block.marks().find(|mark| !marks.contains(mark)) {
        return Some(format!("{language} has no mark {mark}"));
    }
    if let Some(world) = block.mark("elsewhere") {
        let is_known = ELSEWHERE.iter().any(|(known, _)| *known == world);
        return (!is_known).then(|| format!("there is no world {world}"));
    }
    let is_run = language != "sh" || GUIDES.contains(&page.path.as_str());
    (!is_run).then(|| "commands on a page that is no guide are never run".to_owned())
}

#[test]
fn something_becomes_of_every_block() -> Result<()> {
    all_stand_up_to(unknown)?;
    for (wrong, named) in [
        ("```\nx\n```", "language \"\""),
        ("```sh loudly\nx\n```", "no mark loudly"),
        ("```sh elsewhere=moon\nx\n```", "no world moon"),
        ("```sh\nls\n```", "never run"),
    ] {
        is_found(unknown, wrong, named);
    }
    Ok(())
}

/// The list of other worlds is short, and stays so.
#[test]
fn every_other_world_is_needed() -> Result<()> {
    let pages = pages()?;
    let needed: BTreeSet<&str> = pages
        .iter()
        .flat_map(|page| &page.blocks)
        .filter_map(|block| block.mark("elsewhere"))
        .collect();
    for (world, shown_by) in ELSEWHERE {
        assert!(needed.contains(world), "no block needs {world}: {shown_by}");
    }
    assert!(ELSEWHERE.len() <= 6);
    Ok(())
}
