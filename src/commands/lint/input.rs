//! Which files there are, and their texts.

use std::{
    fs::File,
    io::{self, Read, stdin},
    path::Path,
};

use walkdir::{DirEntry, WalkDir};

/// Largest file, bytes. A manifest has at most 1.5 MiB in a cluster, but a file may hold many.
const MAX_FILE: u64 = 16 << 20;

/// A file that is to be judged.
pub(super) struct Input {
    /// Its name in every finding.
    pub name: String,
    /// Its text, or why it has none.
    pub text: Result<String, String>,
    /// It was found in a folder, where much else may lie.
    pub is_found: bool,
}

/// All files that the arguments mean, those of a folder by name.
pub(super) fn all(paths: &[String]) -> Vec<Input> {
    paths.iter().flat_map(|path| of(path)).collect()
}

fn of(path: &str) -> Vec<Input> {
    if path == "-" {
        return vec![input("stdin", text(stdin().lock()), false)];
    }
    let plain = Path::new(path);
    if !plain.is_dir() {
        return vec![input(
            path,
            File::open(plain).map_err(|e| said(&e)).and_then(text),
            false,
        )];
    }
    let walk = WalkDir::new(plain).follow_links(true).sort_by_file_name();
    let entries = walk.into_iter().filter_entry(|entry| !is_hidden(entry));
    let found = entries.filter_map(|entry| match entry {
        Ok(entry) if entry.file_type().is_file() && is_manifest(entry.path()) => {
            let opened = File::open(entry.path()).map_err(|error| said(&error));
            Some(input(
                &entry.path().display().to_string(),
                opened.and_then(text),
                true,
            ))
        }
        Ok(_) => None,
        Err(error) => {
            let place = error.path().unwrap_or(plain).display().to_string();
            let why = error
                .io_error()
                .map_or_else(|| "links run in a circle".to_owned(), said);
            Some(input(&place, Err(why), true))
        }
    });
    found.collect()
}

fn input(name: &str, text: Result<String, String>, is_found: bool) -> Input {
    Input {
        name: name.to_owned(),
        text,
        is_found,
    }
}

/// Folders of tools, such as `.git`; what is named on the command line is never hidden.
fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}

fn text(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| said(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("is larger than {} MiB", MAX_FILE >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_refused_and_one_within_is_taken() {
        let of_size = |size: u64| text(io::repeat(b'a').take(size));
        assert_eq!(of_size(MAX_FILE).unwrap().len() as u64, MAX_FILE);
        assert_eq!(of_size(MAX_FILE + 1).unwrap_err(), "is larger than 16 MiB");
        assert_eq!(text(&[0xff_u8][..]).unwrap_err(), "is not UTF-8 text");
    }
}
