//! `cargo xtask generate`: writes what is generated from types.

use std::fs;

use anyhow::{Context, Result};

use crate::operator::root;

/// Writes the definitions of the kinds, for `kubectl` and for the chart, and the chart's roles.
pub fn run() -> Result<()> {
    for (name, text) in kymaros_crds::generate::files() {
        write(&format!("crds/generated/{name}"), &text)?;
    }
    for (name, text) in kymaros_crds::generate::templates() {
        write(&format!("charts/kymaros-crds/templates/{name}"), &text)?;
    }
    write("charts/kymaros/templates/_rules.tpl", &kymaros::rbac::template())
}

fn write(file: &str, text: &str) -> Result<()> {
    let path = root().join(file);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, text).with_context(|| format!("writing {file}"))?;
    println!("{file}");
    Ok(())
}
