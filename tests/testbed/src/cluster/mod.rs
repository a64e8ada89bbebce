//! The test cluster as a whole: start it, find it, end it.

mod decide;
mod down;
mod existing;
mod host_address;
mod identity;
mod listen;
mod lock;
mod observe;
mod start;
pub mod status;
mod up;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

pub use down::down;
pub use existing::{Existing, KUBECONFIG, REGISTRY};
pub use listen::listen;
pub use up::up;

use crate::machine::processes;
use crate::{addons, places};

/// Why there is no cluster to use.
#[derive(Debug, thiserror::Error)]
pub enum NotRunning {
    /// It was never started, or has been ended.
    #[error("the test cluster does not run; start it with `cargo xtask cluster up`")]
    Down,
    /// It was started, but not to the end.
    #[error("the test cluster is not complete; finish it with `cargo xtask cluster up`")]
    Incomplete,
}

/// A running cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The administrator's kubeconfig; it works anywhere on this machine.
    pub kubeconfig: PathBuf,
    /// Where `kubectl`, `velero`, `helm` and the others are.
    pub bin_dir: PathBuf,
}

impl Cluster {
    /// Whether it is the test cluster, and not one that the user has.
    #[must_use]
    pub fn is_test_cluster(&self) -> bool {
        self.kubeconfig == places::kubeconfig()
    }
}

/// The running cluster, or the user's own when one was chosen. Starts nothing.
///
/// # Errors
///
/// When it does not run, or was not started to the end.
pub fn find() -> Result<Cluster, NotRunning> {
    if let Some(cluster) = existing::chosen() {
        return Ok(cluster);
    }
    if processes::init().is_none() {
        return Err(NotRunning::Down);
    }
    if !identity::is_complete() {
        return Err(NotRunning::Incomplete);
    }
    Ok(Cluster::at_its_place())
}

impl Cluster {
    fn at_its_place() -> Self {
        Self {
            kubeconfig: places::kubeconfig(),
            bin_dir: places::bin(),
        }
    }

    /// A client with the administrator's rights.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client_from(&self.kubeconfig).await
    }

    /// Gives the image in a docker-archive to the cluster, under the name that it carries.
    ///
    /// # Errors
    ///
    /// When the file is no image.
    pub async fn load_image(&self, archive: &Path) -> Result<()> {
        if existing::chosen().is_some() {
            // The user's cluster pulls it from the user's registry.
            return Ok(());
        }
        addons::images::import(archive).await
    }

    /// Runs kubectl with the administrator's rights and returns what it writes.
    ///
    /// # Errors
    ///
    /// When kubectl fails; the error has its words.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.run("kubectl", args)
    }

    /// Runs one of the cluster's programs (`kubectl`, `velero`, `helm`) with the administrator's rights and returns what
    /// it writes.
    ///
    /// # Errors
    ///
    /// When the program fails; the error has its words.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let own = self.bin_dir.join(program);
        let found = if own.is_file() { own } else { program.into() };
        let output = Command::new(found)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {} failed: {}", args.join(" "), words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A command that runs inside the machine, where the addresses of pods, Services and the node can be reached. Add
    /// arguments to it.
    ///
    /// # Errors
    ///
    /// When the cluster does not run.
    pub fn enter(&self, program: &str) -> Result<Command> {
        enter(program)
    }
}

/// A command that runs inside the machine.
pub(crate) fn enter(program: &str) -> Result<Command> {
    let init = processes::init().ok_or(NotRunning::Down)?;
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &init.to_string(), "--net", "--mount", "--pid", "--"])
        .arg(program);
    Ok(command)
}

pub(crate) async fn client_from(kubeconfig: &Path) -> Result<Client> {
    let text = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(text, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
