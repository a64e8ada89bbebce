//! The one layer of an image: a tar of its files that is the same, byte for byte, for the same files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::entry::{Content, Entry};

/// A writer that hashes what passes through it.
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Hashes everything written to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    /// Ends writing: the hash as lower-case hexadecimal digits.
    pub fn finish(mut self) -> io::Result<String> {
        self.inner.flush()?;
        Ok(hex(&self.hash.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Writes the layer and returns its hash.
///
/// # Errors
///
/// When a file on disk cannot be read, a path is unusable, or the target cannot be written.
pub fn write(entries: &[Entry], target: impl Write) -> Result<String> {
    let mut builder = Builder::new(Hashing::new(target));
    for (path, entry) in sorted(entries)? {
        append(&mut builder, &path, &entry).with_context(|| format!("cannot add /{path} to the image"))?;
    }
    Ok(builder.into_inner()?.finish()?)
}

/// The entries by path, with the folders above them: in this order every folder comes before what is in it.
fn sorted(entries: &[Entry]) -> Result<BTreeMap<String, Entry>> {
    let mut by_path = BTreeMap::new();
    for entry in entries {
        let path = entry.path.trim_matches('/');
        if path.is_empty()
            || path
                .split('/')
                .any(|part| part.is_empty() || part == "." || part == "..")
        {
            bail!("{:?} is no path in an image", entry.path);
        }
        for (end, _) in path.match_indices('/') {
            let parent = &path[..end];
            by_path
                .entry(parent.to_owned())
                .or_insert_with(|| Entry::folder(parent, 0o755));
        }
        by_path.insert(path.to_owned(), entry.clone());
    }
    Ok(by_path)
}

fn append<W: Write>(builder: &mut Builder<W>, path: &str, entry: &Entry) -> Result<()> {
    let mut header = Header::new_gnu();
    // No owner, no time: the same files give the same image on every machine and day.
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_mode(entry.mode);
    header.set_size(0);
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, format!("{path}/"), io::empty())?;
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, path, target)?;
        }
        Content::Bytes(bytes) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())?;
        }
        Content::Disk(source) => {
            let file = File::open(source).with_context(|| format!("cannot open {}", source.display()))?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                bail!("{} is no file", source.display());
            }
            header.set_entry_type(EntryType::Regular);
            header.set_size(metadata.len());
            builder.append_data(&mut header, path, file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entries: &[Entry]) -> Vec<(String, u32)> {
        let mut bytes = Vec::new();
        write(entries, &mut bytes).unwrap();
        tar::Archive::new(bytes.as_slice())
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.path().unwrap().to_string_lossy().into_owned(),
                    entry.header().mode().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn folders_come_before_their_files_and_keep_a_listed_mode() {
        let entries = [
            Entry::text("/var/lib/data/file", "x", 0o644),
            Entry::folder("/var/lib", 0o1777),
            Entry::text("/a", "y", 0o600),
        ];
        assert_eq!(
            names(&entries),
            [
                ("a".to_owned(), 0o600),
                ("var/".to_owned(), 0o755),
                ("var/lib/".to_owned(), 0o1777),
                ("var/lib/data/".to_owned(), 0o755),
                ("var/lib/data/file".to_owned(), 0o644),
            ]
        );
    }

    #[test]
    fn the_hash_depends_on_the_files_and_not_on_their_order() {
        let one = Entry::text("/one", "1", 0o644);
        let two = Entry::link("/two", "one");
        let hash = |entries: &[Entry]| write(entries, io::sink()).unwrap();
        assert_eq!(
            hash(&[one.clone(), two.clone()]),
            hash(&[two.clone(), one.clone()])
        );
        assert_ne!(
            hash(&[one.clone(), two]),
            hash(&[one, Entry::link("/two", "three")])
        );
    }

    #[test]
    fn paths_out_of_the_image_are_refused() {
        for path in ["", "/", "../etc/passwd", "/a/./b", "/a//b"] {
            assert!(
                write(&[Entry::text(path, "", 0o644)], io::sink()).is_err(),
                "{path:?}"
            );
        }
    }

    #[test]
    fn paths_longer_than_a_tar_header_survive() {
        let long = format!("/{}/{}", "a".repeat(120), "b".repeat(120));
        let found = names(&[Entry::text(long.clone(), "x", 0o644)]);
        assert_eq!(found[1].0, long.trim_start_matches('/'));
    }
}
