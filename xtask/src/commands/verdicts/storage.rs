//! Damage to a backup in its storage. The S3 server of the test cluster keeps objects as files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use kymaros_testbed::places;

use super::case::Damage;

/// Does the damage; `fill` puts names in.
///
/// # Errors
/// When there is no such file, or it cannot be changed.
pub fn damage(damage: &Damage, fill: impl Fn(&str) -> String) -> Result<()> {
    let (Damage::Remove(files) | Damage::Cut(files)) = damage;
    for file in matching(&places::state("s3/velero"), &fill(files))? {
        match damage {
            Damage::Remove(_) => fs::remove_file(&file)?,
            Damage::Cut(_) => {
                let whole = fs::read(&file)?;
                fs::write(&file, &whole[..whole.len() / 2])?;
            }
        }
    }
    Ok(())
}

fn matching(bucket: &Path, files: &str) -> Result<Vec<PathBuf>> {
    let wanted = bucket.join(files);
    let (folder, name) = (wanted.parent(), wanted.file_name().and_then(|n| n.to_str()));
    let (folder, name) = folder.zip(name).context("not a file")?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let this = entry.file_name().to_string_lossy().into_owned();
        let matches = match name.strip_suffix('*') {
            Some(stem) => this.starts_with(stem),
            None => this == name,
        };
        if matches && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    ensure!(!found.is_empty(), "there is no {}", wanted.display());
    Ok(found)
}
