//! Tests of the charts share this: a copy of them with its dependency in place, and Helm as users run it.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, bail};
use kymaros_testbed::cluster::{self, Cluster};
use serde_json::Value;

/// What `helm install` is told in the documentation.
pub const RELEASE: &str = "kymaros";
pub const NAMESPACE: &str = "kymaros-system";

/// The charts of this clone, copied: `helm dependency build` writes into them.
pub fn chart() -> Result<&'static Path> {
    static COPY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let copy =
        COPY.get_or_init(|| changed_charts("charts", |_| Ok(())).map_err(|error| format!("{error:#}")));
    copy.as_deref().map_err(|error| anyhow!("{error}"))
}

/// Another copy, changed by `edit` before its dependency is put in place.
pub fn changed_charts(name: &str, edit: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    // An earlier process may have had this number, and charts with other files.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("charts"), &folder)?;
    edit(&folder)?;
    let chart = folder.join("kymaros");
    helm(&["dependency", "build", text(&chart)?])?;
    Ok(chart)
}

/// Copies a folder without packed charts.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if entry
            .path()
            .extension()
            .is_none_or(|extension| extension != "tgz")
        {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Runs Helm; what it prints, or its complaint as an error.
pub fn helm(args: &[&str]) -> Result<String> {
    cluster::find()?.run("helm", args)
}

/// Runs a program of the cluster with something on its standard input.
pub fn pipe(cluster: &Cluster, program: &str, args: &[&str], input: &str) -> Result<String> {
    use std::io::Write;
    let mut child = Command::new(cluster.bin_dir.join(program))
        .args(args)
        .env("KUBECONFIG", &cluster.kubeconfig)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no input")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `helm template` prints with more arguments.
pub fn template(more: &[&str]) -> Result<String> {
    let mut args = vec!["template", RELEASE, text(chart()?)?, "--namespace", NAMESPACE];
    args.extend(more);
    helm(&args)
}

/// The objects in what `helm template` prints.
pub fn rendered(more: &[&str]) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&template(more)?)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The one object of a kind and name.
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let is_meant = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects
        .iter()
        .find(is_meant)
        .with_context(|| format!("no {kind}/{name}"))
}
