//! `kymaros uninstall`: what must be done before the operator's objects are deleted. Helm runs it.

use anyhow::Context as _;

use super::cluster::Which;
use crate::{
    telemetry::{self, LogFormat},
    uninstall::{self, Installation},
};

/// Names of what is uninstalled.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Namespace in which the operator runs
    #[arg(long, default_value = "kymaros-system")]
    namespace: String,
    /// The operator's Deployment
    #[arg(long, default_value = "kymaros")]
    deployment: String,
    /// Namespace in which Velero runs
    #[arg(long, default_value = "velero")]
    velero_namespace: String,
    /// `ClusterRole` with the rights inside a sandbox
    #[arg(long, default_value = "kymaros-sandbox")]
    sandbox_role: String,
    /// Name of both the validating and the mutating webhook configuration
    #[arg(long, default_value = "kymaros")]
    webhook_configuration: String,
    /// The Lease of the replicas
    #[arg(long, default_value = "kymaros-leader")]
    lease: String,
    /// Secret with the certificate of the webhooks
    #[arg(long, default_value = "kymaros-webhook-certificate")]
    certificate_secret: String,
}

/// Stops the operator and removes what needs it; tests and reports stay.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::init(LogFormat::Text, "info")?;
    let connected = args.which.connect().await;
    let client = connected.context("no cluster: neither a service account nor a kubeconfig works")?;
    let installation = Installation {
        namespace: args.namespace,
        deployment: args.deployment,
        velero_namespace: args.velero_namespace,
        sandbox_role: args.sandbox_role,
        webhook_configuration: args.webhook_configuration,
        lease: args.lease,
        certificate_secret: args.certificate_secret,
    };
    uninstall::uninstall(&client, &installation).await?;
    tracing::info!("nothing waits for Kymaros any more");
    Ok(())
}
