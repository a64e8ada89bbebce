//! `kymaros report`.

use anyhow::Context as _;
use kube::{Api, Client};
use kymaros_crds::RestoreReport;

/// Which report.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Name of the report
    name: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

/// Prints a report for people.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no cluster: set KUBECONFIG")?;
    let api = Api::<RestoreReport>::namespaced(client, &args.namespace);
    let report = api
        .get_opt(&args.name)
        .await?
        .with_context(|| format!("there is no report {} in namespace {}", args.name, args.namespace))?;
    print!("{}", crate::report::text(&report)?);
    Ok(())
}
