//! What an image is made of.

use std::path::Path;

use anyhow::Result;

use super::entry::{Entry, entries_of_folder};

/// How the tag of an image is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// This tag. Never `latest`, which would make the kubelet try to pull.
    Named(String),
    /// The first digits of the image's hash: a changed image gets a new name, so no node runs an old one.
    Content,
}

/// What an image is made of: its name, its files and how its program is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// The name before the colon, for example `kymaros.test/busybox`.
    pub repository: String,
    /// The name after the colon.
    pub tag: Tag,
    /// The files. Of two entries with the same path the later one counts.
    pub entries: Vec<Entry>,
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// The arguments that a pod replaces with `args`.
    pub cmd: Vec<String>,
    /// Environment variables as `NAME=value`.
    pub env: Vec<String>,
    /// `uid` or `uid:gid`; numbers only, so that the kubelet can tell that it is not root. Empty is root.
    pub user: String,
    /// Where the program starts; empty is `/`.
    pub working_dir: String,
    /// The signal that asks the program to stop, when it is not `SIGTERM`.
    pub stop_signal: Option<String>,
}

impl ImageSpec {
    /// An empty image. `name` is `repository:tag`; without a tag the image is named by its content.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // A colon before the last slash belongs to a port of the registry's name, not to a tag.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Tag::Named(tag.to_owned())),
            _ => (name, Tag::Content),
        };
        Self {
            repository: repository.to_owned(),
            tag,
            entries: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
            user: String::new(),
            working_dir: String::new(),
            stop_signal: None,
        }
    }

    /// Adds files.
    #[must_use]
    pub fn with(mut self, entries: impl IntoIterator<Item = Entry>) -> Self {
        self.entries.extend(entries);
        self
    }

    /// Adds a folder on disk with everything below it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn with_folder(mut self, folder: &Path, prefix: &str) -> Result<Self> {
        self.entries.extend(entries_of_folder(folder, prefix)?);
        Ok(self)
    }

    /// Sets the program and its fixed arguments.
    #[must_use]
    pub fn entrypoint<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.entrypoint = words.map(str::to_owned).to_vec();
        self
    }

    /// Sets the arguments that a pod can replace.
    #[must_use]
    pub fn cmd<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.cmd = words.map(str::to_owned).to_vec();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Sets who runs the program, as numbers: `uid` or `uid:gid`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_tag() {
        for (name, repository, tag) in [
            (
                "kymaros.test/busybox:1",
                "kymaros.test/busybox",
                Tag::Named("1".into()),
            ),
            ("kymaros.test/busybox", "kymaros.test/busybox", Tag::Content),
            ("registry:5000/busybox", "registry:5000/busybox", Tag::Content),
            (
                "registry:5000/busybox:2",
                "registry:5000/busybox",
                Tag::Named("2".into()),
            ),
        ] {
            let spec = ImageSpec::new(name);
            assert_eq!((spec.repository.as_str(), spec.tag), (repository, tag), "{name}");
        }
    }
}
