//! `kymaros report`.

use anyhow::Context as _;
use kube::ResourceExt;
use kymaros_crds::RestoreReport;

use super::{cluster::Scope, say};

/// Which report.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Name of the report
    name: String,
    #[command(flatten)]
    scope: Scope,
    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For terminals
    Text,
    /// The object as the cluster keeps it
    Json,
    /// For tickets and evidence
    Markdown,
}

/// Prints a report.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = args.scope.connect().await?;
    let report = cluster.reports().get_opt(&args.name).await?.with_context(|| {
        format!(
            "there is no report {} in namespace {}",
            args.name, cluster.namespace
        )
    })?;
    show(&report, args.output)
}

/// Writes a report to standard output; in colours if that is a terminal.
pub(super) fn show(report: &RestoreReport, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Text => crate::report::text(report)?,
        Output::Markdown => crate::report::markdown(report)?,
        Output::Json => {
            let mut report = report.clone();
            report.managed_fields_mut().clear();
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    say::answer(&text)?;
    Ok(())
}
