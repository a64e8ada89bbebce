//! A cluster the user already has: chosen by the environment, so that every test process finds the same one.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use kube::config::Kubeconfig;

use super::Cluster;

/// The kubeconfig of the user's cluster.
pub const KUBECONFIG: &str = "KYMAROS_TEST_KUBECONFIG";
/// Where that cluster pulls the images of the tests from.
pub const REGISTRY: &str = "KYMAROS_TEST_REGISTRY";

/// A context of the user's kubeconfig, made usable for tests. The file is removed with it.
#[derive(Debug)]
pub struct Existing {
    kubeconfig: PathBuf,
}

impl Existing {
    /// Looks the context up and writes a kubeconfig that has it as its current one.
    ///
    /// # Errors
    ///
    /// When there is no such context; the error names those that are there.
    pub fn context(name: &str) -> Result<Self> {
        let mut config = Kubeconfig::read().context("cannot read your kubeconfig")?;
        if !config.contexts.iter().any(|c| c.name == name) {
            let known: Vec<_> = config.contexts.iter().map(|c| c.name.as_str()).collect();
            bail!(
                "your kubeconfig has no context {name}; it has: {}",
                known.join(", ")
            );
        }
        config.current_context = Some(name.to_owned());
        let kubeconfig = env::temp_dir().join(format!("kymaros-tests-{}.kubeconfig", std::process::id()));
        // It holds credentials: nobody else may read it, and a file that is there is not ours.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&kubeconfig)?;
        file.write_all(serde_json::to_string(&config)?.as_bytes())?;
        Ok(Self { kubeconfig })
    }

    /// The file.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Drop for Existing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.kubeconfig);
    }
}

/// The user's cluster, when the environment names one; `kubectl` is then the one on the user's path.
pub(super) fn chosen() -> Option<Cluster> {
    let kubeconfig = PathBuf::from(env::var_os(KUBECONFIG)?);
    let path = env::var_os("PATH").unwrap_or_default();
    let bin_dir = env::split_paths(&path)
        .find(|folder| folder.join("kubectl").is_file())
        .unwrap_or_default();
    Some(Cluster { kubeconfig, bin_dir })
}
