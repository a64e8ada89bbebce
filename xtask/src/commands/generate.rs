//! `cargo xtask generate`: writes what is generated from types.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Writes the definitions under `crds/generated/`.
pub fn run() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/generated");
    fs::create_dir_all(&folder)?;
    for (name, text) in kymaros_crds::generate::files() {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("crds/generated/{name}");
    }
    Ok(())
}
