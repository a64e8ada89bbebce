//! busybox with some programs beside it: for programs that need no libraries, as Go builds them.

use std::path::Path;

use anyhow::{Context, Result};

use super::busybox;
use super::entry::Entry;
use super::operator::ca_bundle;
use super::spec::ImageSpec;

/// An image called `name`: busybox, the system's CA bundle, and each program at the path given with it. The first
/// program is what the image starts, without arguments; change [`ImageSpec::entrypoint`] for anything else.
///
/// # Errors
///
/// When busybox does not run, a program is missing, or the machine has no CA bundle.
pub fn image(name: &str, busybox: &Path, programs: &[(&str, &Path)]) -> Result<ImageSpec> {
    let mut spec = ImageSpec::new(name)
        .with(busybox::entries(busybox)?)
        .with([ca_bundle().context("no CA bundle")?]);
    for (path, source) in programs {
        spec.entries.push(Entry::program(*path, *source));
    }
    if let Some((path, _)) = programs.first() {
        spec.entrypoint = vec![(*path).to_owned()];
    }
    Ok(spec)
}

/// An image called `name` that, run as an init container of Velero, copies `plugin` into the folder that the Velero
/// server loads plugins from.
///
/// # Errors
///
/// When busybox does not run, or the machine has no CA bundle.
pub fn velero_plugin(name: &str, busybox: &Path, plugin: &Path) -> Result<ImageSpec> {
    let file = plugin
        .file_name()
        .and_then(|name| name.to_str())
        .context("the plugin has no file name")?;
    let path = format!("/plugins/{file}");
    let spec = image(name, busybox, &[(path.as_str(), plugin)])?;
    Ok(spec.entrypoint(["/bin/cp", path.as_str(), "/target/"]))
}
