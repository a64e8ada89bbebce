//! Writes an image as a docker-archive, the format that `ctr images import` reads.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::layer::{self, hex};
use super::spec::{ImageSpec, Tag};

/// How many digits of the hash make a tag.
const TAG_DIGITS: usize = 12;

/// An image on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The name that pods use, `repository:tag`.
    pub name: String,
    /// Hash of the image's configuration, and so of everything in it: `sha256:...`. The same as the image's id in
    /// containerd, so a caller can tell whether the image is already there.
    pub digest: String,
    /// The docker-archive.
    pub path: PathBuf,
}

/// Writes the image to `target`, which appears only once it is complete.
///
/// # Errors
///
/// When a file of the image cannot be read, or the target not be written.
pub fn write(spec: &ImageSpec, target: &Path) -> Result<Written> {
    write_complete(spec, target).with_context(|| format!("cannot write the image {}", spec.repository))
}

/// What an image written earlier is called.
///
/// # Errors
///
/// When the file is no docker-archive.
pub fn read(path: &Path) -> Result<Written> {
    let describe = || format!("{} is no image", path.display());
    let mut archive = tar::Archive::new(File::open(path).with_context(describe)?);
    for entry in archive.entries().with_context(describe)? {
        let entry = entry.with_context(describe)?;
        if entry.path()?.as_os_str() == "manifest.json" {
            let manifest: Value = serde_json::from_reader(entry).with_context(describe)?;
            let name = manifest[0]["RepoTags"][0].as_str().with_context(describe)?;
            let config = manifest[0]["Config"].as_str().with_context(describe)?;
            let hash = config.strip_suffix(".json").with_context(describe)?;
            return Ok(Written {
                name: name.to_owned(),
                digest: format!("sha256:{hash}"),
                path: path.to_owned(),
            });
        }
    }
    Err(anyhow::anyhow!("it has no manifest")).with_context(describe)
}

fn write_complete(spec: &ImageSpec, target: &Path) -> Result<Written> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // The process id keeps two writers of the same image apart.
    let scratch = Scratch(target.with_extension(format!("layer.{}", std::process::id())));
    let partial = Scratch(target.with_extension(format!("partial.{}", std::process::id())));

    let mut layer_file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&scratch.0)
        .with_context(|| format!("cannot create {}", scratch.0.display()))?;
    let layer_hash = layer::write(&spec.entries, BufWriter::new(&mut layer_file))?;
    let layer_size = layer_file.stream_position()?;
    layer_file.rewind()?;

    let config = serde_json::to_vec(&config(spec, &layer_hash)?)?;
    let config_hash = hex(&Sha256::digest(&config));
    let tag = match &spec.tag {
        Tag::Named(tag) => tag.clone(),
        Tag::Content => config_hash.chars().take(TAG_DIGITS).collect(),
    };
    let name = format!("{}:{tag}", spec.repository);
    let config_path = format!("{config_hash}.json");
    let layer_path = format!("{layer_hash}/layer.tar");
    let manifest = serde_json::to_vec(&json!([{
        "Config": config_path,
        "RepoTags": [name],
        "Layers": [layer_path],
    }]))?;

    let file = File::create(&partial.0).with_context(|| format!("cannot create {}", partial.0.display()))?;
    let mut builder = Builder::new(BufWriter::new(file));
    append(
        &mut builder,
        "manifest.json",
        manifest.len() as u64,
        manifest.as_slice(),
    )?;
    append(&mut builder, &config_path, config.len() as u64, config.as_slice())?;
    append(&mut builder, &layer_path, layer_size, &mut layer_file)?;
    builder.into_inner()?.flush()?;
    fs::rename(&partial.0, target).with_context(|| format!("cannot create {}", target.display()))?;

    Ok(Written {
        name,
        digest: format!("sha256:{config_hash}"),
        path: target.to_owned(),
    })
}

fn append<W: Write>(builder: &mut Builder<W>, path: &str, size: u64, data: impl std::io::Read) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    builder.append_data(&mut header, path, data)?;
    Ok(())
}

/// The image configuration of the OCI specification.
fn config(spec: &ImageSpec, layer_hash: &str) -> Result<Value> {
    let mut config = json!({
        "Entrypoint": spec.entrypoint,
        "Cmd": spec.cmd,
        "Env": spec.env,
        "User": spec.user,
        "WorkingDir": spec.working_dir,
    });
    if let Some(signal) = &spec.stop_signal {
        config["StopSignal"] = json!(signal);
    }
    Ok(json!({
        "architecture": architecture()?,
        "os": "linux",
        // A fixed time, or the same image would get another hash every time.
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_hash}")] },
    }))
}

/// The machine's architecture by the name that images use; programs in an image come from this machine.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => anyhow::bail!("no image name is known for the architecture {other}"),
    }
}

/// A file that is gone in the end, whatever happened.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Renamed away on success; nothing to do about a failure to clean up.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Entry;

    /// A folder for one test.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("kymaros-images-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn spec(name: &str) -> ImageSpec {
        ImageSpec::new(name)
            .with([Entry::text("/hello", "hello", 0o644)])
            .entrypoint(["/hello"])
            .user("1000")
    }

    #[test]
    fn what_was_written_can_be_read_and_is_the_same_every_time() {
        let folder = folder("again");
        let first = write(&spec("kymaros.test/hello"), &folder.join("one.tar")).unwrap();
        let second = write(&spec("kymaros.test/hello"), &folder.join("two.tar")).unwrap();
        assert_eq!(fs::read(&first.path).unwrap(), fs::read(&second.path).unwrap());
        assert_eq!(read(&first.path).unwrap(), first);
        let left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|item| item.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "scratch files are left over: {left:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_content_gives_another_name() {
        let folder = folder("names");
        let one = write(&spec("kymaros.test/hello"), &folder.join("one.tar")).unwrap();
        let two = write(&spec("kymaros.test/hello").env("A", "b"), &folder.join("two.tar")).unwrap();
        assert_ne!(one.name, two.name);
        assert_eq!(
            one.name,
            format!(
                "kymaros.test/hello:{}",
                &one.digest["sha256:".len()..][..TAG_DIGITS]
            )
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = folder("failed");
        let spec = spec("kymaros.test/hello").with([Entry::disk("/missing", "/does/not/exist", 0o644)]);
        let error = write(&spec, &folder.join("image.tar")).unwrap_err();
        assert!(format!("{error:#}").contains("/does/not/exist"), "{error:#}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
