//! `cargo xtask screenshots`: pictures of every page for the documentation, of the fleet that the tests look at.

use std::fs;

use anyhow::{Context, Result};
use kymaros_testbed::programs;

use crate::{
    operator::{cargo_with, root},
    terminal::Terminal,
};

/// Where they stand.
const FOLDER: &str = "docs/screenshots";

/// Takes them anew.
pub async fn run() -> Result<()> {
    programs::install_missing(&Terminal::new())?;
    let folder = root().join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {FOLDER}"))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {FOLDER}"))?;
    let folder = folder.canonicalize()?;
    let test = ["test", "--quiet", "--test", "dashboard", "pictures_of_every_page"];
    cargo_with(test, &[("KYMAROS_SCREENSHOTS", folder.as_os_str())]).await
}
