//! Builds the Go programs that the cache lacks.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::go::Group;
use crate::progress::Progress;

/// Builds every group whose programs are not in the cache.
///
/// # Errors
///
/// When Go is missing, or a group does not build.
pub async fn build_missing(groups: &[Group], progress: &dyn Progress) -> Result<()> {
    let missing: Vec<&Group> = groups.iter().filter(|group| !group.folder().is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if Command::new("go").arg("version").output().await.is_err() {
        bail!("the program `go` is missing: install Go 1.26 or newer");
    }
    let count = missing.len();
    for (index, group) in missing.into_iter().enumerate() {
        let title = format!(
            "building {} {} ({} of {count})",
            group.name,
            group.version(),
            index + 1
        );
        build(group, &title, progress)
            .await
            .with_context(|| format!("cannot build {} {}", group.name, group.version()))?;
    }
    Ok(())
}

/// Builds beside the final place and moves there when complete, so that a broken-off build leaves nothing that counts.
async fn build(group: &Group, title: &str, progress: &dyn Progress) -> Result<()> {
    let started = Instant::now();
    let folder = group.folder();
    let scratch = folder.with_extension("building");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let module = scratch.join("module");
    let bin = scratch.join("bin");
    std::fs::create_dir_all(&module)?;
    std::fs::create_dir_all(&bin)?;
    for (name, content) in group.module_files() {
        std::fs::write(module.join(name), content)?;
    }

    progress.update(&format!("{title}: fetching sources"));
    let total = count_packages(group, &module).await?;
    let mut child = Command::new("go")
        .args(["build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-ldflags", &group.link_flags()])
        .arg("-o")
        .arg(group.output.map_or_else(|| bin.clone(), |name| bin.join(name)))
        .args(group.packages())
        .current_dir(&module)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;

    // With -v each compiled package is a line; packages from Go's own cache are not listed.
    let mut compiled = 0;
    let mut complaints = Vec::new();
    let output = child.stderr.take().context("no output of go")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(' ') {
            complaints.push(line);
        } else {
            compiled += 1;
        }
        let seconds = started.elapsed().as_secs();
        progress.update(&format!(
            "{title}: {compiled} of at most {total} packages, {seconds} s"
        ));
    }
    if !child.wait().await?.success() {
        let last = complaints.len().saturating_sub(20);
        bail!("go build failed:\n{}", complaints[last..].join("\n"));
    }
    std::fs::rename(&bin, &folder)?;
    std::fs::remove_dir_all(&scratch)?;
    progress.step(&format!("{title}: done in {} s", started.elapsed().as_secs()));
    Ok(())
}

async fn count_packages(group: &Group, module: &Path) -> Result<usize> {
    let output = Command::new("go")
        .args(["list", "-deps", "-mod=readonly"])
        .args(group.packages())
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .output()
        .await?;
    if !output.status.success() {
        bail!(
            "go list failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().count())
}
