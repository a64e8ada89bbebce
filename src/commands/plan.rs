//! `kymaros plan`: what a run of a test would do, without doing it.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::Context as _;
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};
use kymaros_crds::{
    PlanAction, PlannedKind, RestoreTest,
    domain::{CompletenessBasis, Source, Test},
};
use kymaros_webhooks::default::Defaults;
use serde::Serialize;

use crate::{
    plan,
    source::{Wanted, kinds::KINDS, list, missing::missing},
    velero::{
        Backup,
        artifacts::Downloader,
        choose::{self, Chosen},
        location,
        results::{BackupContents, ObjectId},
    },
};

/// Which test.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Name of the `RestoreTest`
    test: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Namespace in which Velero runs
    #[arg(long, default_value = "velero")]
    velero_namespace: String,
    /// "text" or "json"
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What a run would do with one backup source.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SourcePlan {
    backup: String,
    started: Option<Timestamp>,
    namespaces: Vec<String>,
    objects: Vec<PlannedKind>,
    volumes: Vec<VolumePlan>,
    /// What the source has and the backup does not.
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumePlan {
    claim: String,
    has_data: bool,
}

/// Asks the cluster, with the rights of whoever asks, and prints the plan. A run that would be refused is an error.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no cluster: set KUBECONFIG")?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), &args.namespace);
    let test = tests.get_opt(&args.test).await?.with_context(|| {
        format!(
            "there is no RestoreTest {} in namespace {}",
            args.test, args.namespace
        )
    })?;
    let test = Test::try_from(&Defaults::default().filled(&test.spec))?;
    let backups = Api::<Backup>::namespaced(client.clone(), &args.velero_namespace);
    let backups = backups.list(&ListParams::default()).await?.items;
    let mut plans = Vec::new();
    for source in &test.sources {
        plans.push(of_source(&client, &args, source, &backups).await?);
    }
    match args.output {
        Output::Text => print!("{}", text(&args.test, &plans)?),
        Output::Json => println!("{}", serde_json::to_string_pretty(&plans)?),
    }
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

async fn of_source(
    client: &Client,
    args: &Args,
    source: &Source,
    backups: &[Backup],
) -> anyhow::Result<SourcePlan> {
    let chosen = choose::choose(backups, source, Timestamp::now())?;
    let contents = contents(client, args, &chosen).await?;
    let names: Vec<&str> = source.namespaces.iter().map(|n| n.name.as_str()).collect();
    let owned: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut missed = Vec::new();
    if let (CompletenessBasis::Source, Some(began)) = (source.completeness, chosen.started) {
        let wanted = Wanted {
            kinds: KINDS.to_vec(),
            foreign: vec![],
        };
        let now = list::list(client.clone(), owned.clone(), wanted).await?;
        for (namespace, objects) in &now.objects {
            let held = contents.objects.get(namespace).cloned().unwrap_or_default();
            missed.extend(missing(objects, &held, began, &source.label_selector).map(ObjectId::display));
        }
    }
    let of_test = contents
        .volumes
        .iter()
        .filter(|v| names.contains(&v.pvc_namespace.as_str()));
    Ok(SourcePlan {
        backup: chosen.name,
        started: chosen.started,
        objects: plan::plan(&contents, &names),
        volumes: of_test
            .map(|v| VolumePlan {
                claim: v.pvc_name.clone(),
                has_data: v.has_data(),
            })
            .collect(),
        namespaces: owned,
        missing: missed,
    })
}

async fn contents(client: &Client, args: &Args, backup: &Chosen) -> anyhow::Result<BackupContents> {
    let (velero, location) = (args.velero_namespace.clone(), backup.location.clone());
    let downloader = Downloader::new(
        client.clone(),
        location::access(client.clone(), velero, location, reqwest::Client::new()).await,
        &args.velero_namespace,
        BTreeMap::new(),
        format!("kymaros-plan-{}", std::process::id()),
    );
    let contents = downloader.contents(&backup.name).await;
    contents.context(
        "what the backup holds cannot be read; is the storage location's address reachable from here?",
    )
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
            let action = match object.action {
                PlanAction::Refused => "refused",
                PlanAction::Rewritten => "rewritten",
                PlanAction::Excluded => "excluded",
                PlanAction::Kept => "kept",
            };
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
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        };
        let text = text("shop", &[plan]).unwrap();
        for part in [
            "backup nightly",
            "rewritten     2 batch/v1/CronJob",
            "data without data",
            "Deployment/worker",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
