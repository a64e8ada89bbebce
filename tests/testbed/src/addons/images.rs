//! The images that the cluster itself needs, and how an image gets into it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::images::{Content, ImageSpec, archive, binaries, busybox};
use crate::programs::{self, GROUPS, short_hash};
use crate::progress::Progress;
use crate::{cluster, places};

/// A shell and small servers, for tests and for helper pods.
pub const BUSYBOX: &str = "kymaros.test/busybox:1";
/// What holds a pod's network namespace.
pub const PAUSE: &str = "kymaros.test/pause:1";

const BUSYBOX_PROGRAM: &str = "/bin/busybox";

/// The image of Velero, its node agent and its restore helper.
#[must_use]
pub fn velero() -> String {
    format!("kymaros.test/velero:{}", version("velero"))
}

/// The image of Velero's plugin for S3.
#[must_use]
pub fn velero_plugin() -> String {
    format!(
        "kymaros.test/velero-plugin-for-aws:{}",
        version("velero-plugin-aws")
    )
}

/// The image of the cluster's DNS.
#[must_use]
pub fn coredns() -> String {
    format!("kymaros.test/coredns:{}", version("coredns"))
}

fn version(group: &str) -> &'static str {
    GROUPS
        .iter()
        .find(|candidate| candidate.name == group)
        .map_or("unknown", programs::Group::version)
}

/// Writes the images that the cache lacks and returns where all of them are.
///
/// # Errors
///
/// When a program is missing, or the cache cannot be written.
pub fn write_missing(progress: &dyn Progress) -> Result<Vec<PathBuf>> {
    let busybox = Path::new(BUSYBOX_PROGRAM);
    let velero_program = programs::program("velero", "velero");
    let helper = programs::program("velero", "velero-restore-helper");
    let coredns_program = programs::program("coredns", "coredns");
    let specs = [
        busybox::pause(PAUSE, busybox)?,
        busybox::image(BUSYBOX, busybox)?,
        binaries::image(&coredns(), busybox, &[("/coredns", &coredns_program)])?,
        binaries::velero_plugin(
            &velero_plugin(),
            busybox,
            &programs::program("velero-plugin-aws", "velero-plugin-for-aws"),
        )?,
        binaries::image(
            &velero(),
            busybox,
            &[("/velero", &velero_program), ("/velero-restore-helper", &helper)],
        )?,
    ];
    specs.iter().map(|spec| write(spec, progress)).collect()
}

fn write(spec: &ImageSpec, progress: &dyn Progress) -> Result<PathBuf> {
    let name = spec.repository.rsplit('/').next().unwrap_or_default();
    let path = places::cache("images").join(format!("{name}-{}.tar", key(spec)?));
    if !path.is_file() {
        progress.update(&format!("writing the image {}", spec.repository));
        archive::write(spec, &path)?;
    }
    Ok(path)
}

/// Changes when the image would be another one.
fn key(spec: &ImageSpec) -> Result<String> {
    let mut text = format!("{spec:?}").into_bytes();
    let built = places::cache("programs");
    for entry in &spec.entries {
        if let Content::Disk(path) = &entry.content {
            // The path of a program that we built says what is in it.
            if !path.starts_with(&built) {
                text.extend(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?);
            }
        }
    }
    Ok(short_hash(&text))
}

/// Gives an image to the running cluster. Cheap for one that is there already.
///
/// # Errors
///
/// When the cluster does not run, or the file is no image.
pub async fn import(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let output = tokio::process::Command::from(cluster::enter("ctr")?)
        .args([
            "--namespace",
            "k8s.io",
            "images",
            "import",
            "--digests=false",
            "-",
        ])
        .stdin(Stdio::from(file))
        .output()
        .await?;
    if !output.status.success() {
        bail!(
            "cannot import {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
