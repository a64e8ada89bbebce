//! `--context`: tests and demo on a cluster the user already has.

use std::process::Command;

use anyhow::{Context, Result, bail};
use kymaros_testbed::cluster::{Existing, KUBECONFIG, REGISTRY};

/// Which cluster. They make namespaces of their own there, and `kymaros-system`; they touch no other.
#[derive(clap::Args, Debug)]
pub struct OwnCluster {
    /// Use this context of your kubeconfig instead of the test cluster; Velero must be there
    #[arg(long)]
    context: Option<String>,
    /// With --context: the registry to which you pushed the images that `cargo xtask image` writes
    #[arg(long, requires = "context")]
    registry: Option<String>,
}

impl OwnCluster {
    /// Whether the user names a cluster.
    pub fn is_chosen(&self) -> bool {
        self.context.is_some()
    }

    /// Runs the same command again, with the cluster in the environment: the tests are processes of their own and
    /// must find it too.
    pub fn again(&self) -> Result<()> {
        let context = self.context.as_deref().unwrap_or_default();
        let existing = Existing::context(context)?;
        let given = [Some(context), self.registry.as_deref()];
        let is_ours = |arg: &String| {
            let flag = arg.split('=').next().unwrap_or_default();
            flag == "--context" || flag == "--registry" || given.contains(&Some(arg.as_str()))
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args().skip(1).filter(|arg| !is_ours(arg)));
        command.env(KUBECONFIG, existing.kubeconfig());
        if let Some(registry) = &self.registry {
            command.env(REGISTRY, registry);
        }
        let status = command.status().context("starting again")?;
        if !status.success() {
            bail!("it failed on {context}");
        }
        Ok(())
    }
}
