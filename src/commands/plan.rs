//! `kymaros plan`: what a run of a test would do, without doing it.

use std::fmt::Write;

use kymaros_crds::{PlanAction, domain::Test};
use kymaros_webhooks::default::Defaults;

use super::{cluster::Scope, say};
use crate::{
    plan::{SourcePlan, dry_run},
    source::{Wanted, foreign::ForeignKind, kinds::KINDS},
};

/// Which test.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Name of the `RestoreTest`
    test: String,
    #[command(flatten)]
    scope: Scope,
    /// Namespace in which Velero runs
    #[arg(long, default_value = "velero")]
    velero_namespace: String,
    /// Kinds of other products to hold against the backup, too, as `kubectl get crds` names them, with commas between
    #[arg(long, value_delimiter = ',')]
    compare_resources: Vec<ForeignKind>,
    /// "text" or "json"
    #[arg(short, long, value_enum, default_value_t = super::Form::Text)]
    output: super::Form,
}

/// Asks the cluster, with the rights of whoever asks, and prints the plan. A run that would be refused is an error.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let cluster = args.scope.clone().connect().await?;
    let test = cluster.test(&args.test).await?;
    let client = cluster.client;
    let test = Test::try_from(&Defaults::default().filled(&test.spec))?;
    let asked_by = format!("kymaros-plan-{}", std::process::id());
    let wanted = Wanted {
        kinds: KINDS.to_vec(),
        foreign: args.compare_resources,
    };
    let plans = dry_run(&client, &args.velero_namespace, &test, &wanted, &asked_by).await?;
    say::verbatim(match args.output {
        super::Form::Text => text(&args.test, &plans)?,
        super::Form::Json => serde_json::to_string_pretty(&plans)? + "\n",
    })?;
    let refused = plans
        .iter()
        .flat_map(|p| &p.objects)
        .find(|o| o.action == PlanAction::Refused);
    if let Some(refused) = refused {
        anyhow::bail!(
            "nothing would be restored: {}",
            refused.reason.as_deref().unwrap_or(&refused.kind)
        );
    }
    Ok(())
}

fn text(test: &str, plans: &[SourcePlan]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for plan in plans {
        writeln!(out, "A run of {test} would restore backup {}", plan.backup)?;
        if let Some(started) = plan.started {
            writeln!(out, "  taken       {started}")?;
        }
        writeln!(out, "  namespaces  {}", plan.namespaces.join(", "))?;
        for object in &plan.objects {
            let action = object.action.word();
            let reason = object.reason.as_deref().unwrap_or_default();
            writeln!(
                out,
                "  {action:<10}  {:>3} {:<40} {reason}",
                object.objects, object.kind
            )?;
        }
        for volume in &plan.volumes {
            let data = if volume.has_data {
                "with its data"
            } else {
                "without data"
            };
            writeln!(out, "  volume      {} {data}", volume.claim)?;
        }
        for missing in &plan.missing {
            writeln!(
                out,
                "  missing     {missing}: the source had it, the backup does not"
            )?;
        }
        if !plan.not_compared.is_empty() {
            let kinds = plan.not_compared.join(", ");
            writeln!(
                out,
                "  not looked  {kinds}: to hold them against the backup, add --compare-resources for those of other \
                 products, and be allowed to list them"
            )?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use kymaros_crds::PlannedKind;

    use super::*;
    use crate::plan::VolumePlan;

    #[test]
    fn says_what_becomes_of_everything() {
        let plan = SourcePlan {
            backup: "nightly".into(),
            started: "2026-01-01T03:00:00Z".parse().ok(),
            namespaces: vec!["shop".into()],
            objects: vec![PlannedKind {
                kind: "batch/v1/CronJob".into(),
                action: PlanAction::Rewritten,
                objects: 2,
                reason: Some("suspended".into()),
            }],
            volumes: vec![VolumePlan {
                claim: "data".into(),
                has_data: false,
            }],
            missing: vec!["Deployment/worker".into()],
            not_compared: vec!["widgets.example.com".into()],
        };
        let text = text("shop", &[plan]).unwrap();
        for part in [
            "backup nightly",
            "rewritten     2 batch/v1/CronJob",
            "data without data",
            "Deployment/worker",
            "not looked  widgets.example.com",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
