//! Links.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::{
    all_stand_up_to, is_found,
    page::{Page, Piece, root},
};

/// Links of a page that lead nowhere.
fn dead(page: &Page) -> Vec<String> {
    let dead = page
        .links
        .iter()
        .filter_map(|link| Some((link, trouble(page, link)?)));
    dead.map(|(link, why)| format!("{}: {} {why}", page.at(link.line), link.text))
        .collect()
}

fn trouble(page: &Page, link: &Piece) -> Option<String> {
    if let Some((scheme, _)) = link.text.split_once("://") {
        return (scheme != "https").then(|| "is not https".to_owned());
    }
    let (file, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
    let has = |page: &Page| page.anchors.iter().any(|known| known == anchor);
    if file.is_empty() {
        return (!has(page)).then(|| "has no heading".to_owned());
    }
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let target = normal(&folder.join(file)).to_string_lossy().into_owned();
    if !root().join(&target).exists() {
        return Some("is not there".to_owned());
    }
    let there = anchor.is_empty() || Page::read(&target).is_ok_and(|target| has(&target));
    (!there).then(|| "has no heading".to_owned())
}

/// Without `..`, which the file system would look up through folders that are not there.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    all_stand_up_to(dead)?;
    for (wrong, named) in [
        ("[x](nowhere.md)", "nowhere.md is not there"),
        ("![x](screenshots/none.png)", "none.png is not there"),
        ("# Here\n[x](#there)", "#there has no heading"),
        ("[x](../README.md#nothing)", "README.md#nothing has no heading"),
        ("[x](http://example.com)", "is not https"),
    ] {
        is_found(dead, wrong, named);
    }
    let fine =
        "# A `b` c!\n# A b c\n[x](#a-b-c) [x](#a-b-c-1) [y](../README.md#kymaros) [z](https://example.com)";
    assert_eq!(dead(&Page::of("docs/fine.md", fine)), [""; 0]);
    Ok(())
}

/// The index leads to every page of the manual, and the first page to the index.
#[test]
fn every_page_is_reached_from_the_index() -> Result<()> {
    let index = Page::read("docs/README.md")?;
    let reached: Vec<String> = index
        .links
        .iter()
        .map(|link| normal(&Path::new("docs").join(link.text.split('#').next().unwrap_or_default())))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    for page in super::pages()? {
        let is_manual = page.path.starts_with("docs/") && page.path != index.path;
        assert!(
            !is_manual || reached.contains(&page.path),
            "docs/README.md does not lead to {}",
            page.path
        );
    }
    let front = Page::read("README.md")?;
    assert!(
        front.links.iter().any(|link| link.text == "docs/README.md"),
        "README.md does not lead to the manual"
    );
    Ok(())
}

/// What fits on a screen: people decide there whether to read on.
#[test]
fn the_first_page_stays_one_screen() -> Result<()> {
    let lines = Page::read("README.md")?.text.lines().count();
    assert!(lines <= 70, "README.md has {lines} lines");
    Ok(())
}
