//! The operator of this clone: built, put into an image, loaded and deployed.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use kymaros_testbed::{cluster::Cluster, images, progress::Progress, scene};
use tokio::process::Command;

/// The root of this clone.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs cargo in this clone and shows what it says.
///
/// # Errors
/// When it fails.
pub async fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<()> {
    cargo_with(args, &[]).await
}

/// The same with variables in its environment.
///
/// # Errors
/// When it fails.
pub async fn cargo_with<'a>(
    args: impl IntoIterator<Item = &'a str>,
    variables: &[(&str, &OsStr)],
) -> Result<()> {
    run(args, |cargo| cargo.envs(variables.iter().copied()))
        .await
        .map(drop)
}

/// Runs cargo in this clone; what it writes to standard output.
///
/// # Errors
/// When it fails, or writes something else than text.
pub async fn cargo_says<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let said = run(args, |cargo| cargo.stdout(Stdio::piped())).await?;
    String::from_utf8(said).context("reading what cargo says")
}

async fn run<'a>(
    args: impl IntoIterator<Item = &'a str>,
    prepare: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Vec<u8>> {
    let args: Vec<&str> = args.into_iter().collect();
    let mut cargo = Command::new("cargo");
    cargo.args(&args).current_dir(root()).kill_on_drop(true);
    let child = prepare(&mut cargo).spawn().context("starting cargo")?;
    let output = child.wait_with_output().await.context("waiting for cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` failed", args.join(" "));
    }
    Ok(output.stdout)
}

/// How the operator is built.
#[derive(Clone, Copy, Debug)]
pub enum Build {
    /// As tests are, with overflow and assertions checked: what tests have built needs no second build.
    Checked,
    /// As users get it.
    Release,
}

/// Builds the operator and writes its image; the image's name and the archive.
///
/// # Errors
/// When the build fails or the archive cannot be written.
pub async fn image(build: Build) -> Result<(String, PathBuf)> {
    let (options, folder): (&[&str], &str) = match build {
        // With the features of the whole workspace, as tests have it.
        Build::Checked => (&["--workspace"], "debug"),
        Build::Release => (&["--release", "--package", "kymaros"], "release"),
    };
    let command = ["build", "--quiet", "--bin", "kymaros"];
    cargo(command.iter().chain(options).copied()).await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = target.join(folder).join("kymaros");
    let spec = images::operator::image("kymaros.test/kymaros", &program)?;
    let folder = target.join("images");
    std::fs::create_dir_all(&folder)?;
    let archive = folder.join("kymaros.tar");
    let written = images::archive::write(&spec, &archive)?;
    Ok((written.name, archive))
}

/// Loads the shop's image, and builds, loads and deploys the operator with the chart users install.
///
/// # Errors
/// When a step fails.
pub async fn deploy(
    cluster: &Cluster,
    client: &kube::Client,
    build: Build,
    progress: &dyn Progress,
) -> Result<()> {
    scene::load_shop(cluster, progress).await?;
    let (image, archive) = image(build).await?;
    cluster.load_image(&archive).await?;
    scene::deploy(
        cluster,
        client,
        &scene::Operator {
            chart: &root().join("charts/kymaros"),
            image: &image,
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The dependencies of a selection of packages, each with its features.
    async fn dependencies(selection: &[&str]) -> BTreeSet<String> {
        let tree = [
            "tree",
            "--locked",
            "--offline",
            "--prefix=none",
            "--format={p} [{f}]",
        ];
        let said = cargo_says(tree.iter().chain(selection).copied()).await.unwrap();
        let lines = said.lines().filter(|line| !line.contains("(proc-macro)"));
        lines
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect()
    }

    #[tokio::test]
    async fn commands_operator_and_tests_share_one_build_of_what_they_depend_on() {
        let tests = dependencies(&["--workspace", "--edges=normal,dev"]).await;
        let commands = dependencies(&["--package=xtask", "--edges=normal"]).await;
        let operator = dependencies(&["--workspace", "--edges=normal"]).await;
        assert!(operator.len() > 100);
        let twice: Vec<_> = commands
            .union(&operator)
            .filter(|d| !tests.contains(*d))
            .collect();
        assert!(twice.is_empty(), "other features than in tests: {twice:?}");
    }
}
