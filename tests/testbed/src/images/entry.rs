//! One path of an image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What is found at a path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder; missing parents of other entries are added without being listed.
    Folder,
    /// A file with the content of a file on disk.
    Disk(PathBuf),
    /// A file with this content.
    Bytes(Vec<u8>),
    /// A symbolic link and where it points.
    Link(String),
}

/// One path of an image. Everything belongs to root: a program that runs as somebody else gets its rights from
/// the mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path in the image, with or without the leading slash.
    pub path: String,
    /// Permission bits, including sticky and setuid.
    pub mode: u32,
    /// What is there.
    pub content: Content,
}

impl Entry {
    /// A folder.
    #[must_use]
    pub fn folder(path: impl Into<String>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            content: Content::Folder,
        }
    }

    /// A file copied from disk.
    #[must_use]
    pub fn disk(path: impl Into<String>, source: impl Into<PathBuf>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            content: Content::Disk(source.into()),
        }
    }

    /// A program copied from disk.
    #[must_use]
    pub fn program(path: impl Into<String>, source: impl Into<PathBuf>) -> Self {
        Self::disk(path, source, 0o755)
    }

    /// A file with the given content.
    #[must_use]
    pub fn text(path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            content: Content::Bytes(content.into()),
        }
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            mode: 0o777,
            content: Content::Link(target.into()),
        }
    }
}

/// Lists a folder on disk, with everything below it, as entries below `prefix`.
///
/// # Errors
///
/// When the folder cannot be read, or holds something that is neither file, folder nor symbolic link.
pub fn entries_of_folder(folder: &Path, prefix: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut waiting = vec![(folder.to_owned(), prefix.trim_end_matches('/').to_owned())];
    while let Some((folder, prefix)) = waiting.pop() {
        let listing = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for item in listing {
            let item = item?;
            let source = item.path();
            let Some(name) = item.file_name().to_str().map(str::to_owned) else {
                bail!("{} has a name that is not UTF-8", source.display());
            };
            let path = format!("{prefix}/{name}");
            let metadata =
                fs::symlink_metadata(&source).with_context(|| format!("cannot stat {}", source.display()))?;
            let mode = metadata.permissions().mode() & 0o7777;
            if metadata.is_symlink() {
                let target = fs::read_link(&source)?;
                entries.push(Entry::link(path, target.to_string_lossy()));
            } else if metadata.is_dir() {
                entries.push(Entry::folder(path.clone(), mode));
                waiting.push((source, path));
            } else if metadata.is_file() {
                entries.push(Entry::disk(path, source, mode));
            } else {
                bail!("{} is neither file, folder nor symbolic link", source.display());
            }
        }
    }
    Ok(entries)
}
