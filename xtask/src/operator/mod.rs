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

/// Builds the operator as users get it and writes its image; the image's name and the archive.
///
/// # Errors
/// When the build fails or the archive cannot be written.
pub async fn image() -> Result<(String, PathBuf)> {
    cargo([
        "build",
        "--release",
        "--quiet",
        "--package",
        "kymaros",
        "--bin",
        "kymaros",
    ])
    .await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let spec = images::operator::image("kymaros.test/kymaros", &target.join("release/kymaros"))?;
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
pub async fn deploy(cluster: &Cluster, client: &kube::Client, progress: &dyn Progress) -> Result<()> {
    scene::load_shop(cluster, progress).await?;
    let (image, archive) = image().await?;
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
