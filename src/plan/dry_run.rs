//! What a run of a test would do, without doing it: asked of the cluster, with the rights of whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};
use kymaros_crds::{
    PlannedKind,
    domain::{CompletenessBasis, Source, Test},
};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{NotInBackup, holds_all};
use crate::{
    source::{Wanted, list, missing::missing},
    velero::{
        Backup,
        artifacts::{ArtifactError, Downloader},
        choose::{self, Chosen, NoBackup},
        location,
        results::{BackupContents, ObjectId},
    },
};

/// What a run would do with one backup source.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourcePlan {
    /// The backup.
    pub backup: String,
    /// When it was taken.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// The namespaces that are restored.
    pub namespaces: Vec<String>,
    /// What becomes of each kind of object.
    pub objects: Vec<PlannedKind>,
    /// Volumes.
    pub volumes: Vec<VolumePlan>,
    /// What the source has and the backup does not.
    pub missing: Vec<String>,
    /// Kinds that the source was not looked through for, `widgets.example.com`: of other products, and what whoever asks
    /// may not list.
    pub not_compared: Vec<String>,
}

/// A volume in the backup.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumePlan {
    /// Its claim.
    pub claim: String,
    /// Whether the backup has its data.
    pub has_data: bool,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum NoPlan {
    /// There is no backup to restore.
    #[error(transparent)]
    NoBackup(#[from] NoBackup),
    /// A run would be refused: it has nothing to restore there.
    #[error(transparent)]
    NotInBackup(#[from] NotInBackup),
    /// What the backup holds cannot be read.
    #[error(
        "what the backup holds cannot be read; is the storage location's address reachable from here? {0}"
    )]
    Contents(#[from] ArtifactError),
    /// The API server refuses or does not answer.
    #[error(transparent)]
    Cluster(#[from] kube::Error),
}

/// Plans a run. `velero` is Velero's namespace, `wanted` what sources are looked through for, and `asked_by` begins the
/// names of what Velero is asked with.
///
/// # Errors
/// [`NoPlan`].
pub async fn dry_run(
    client: &Client,
    velero: &str,
    test: &Test,
    wanted: &Wanted,
    asked_by: &str,
) -> Result<Vec<SourcePlan>, NoPlan> {
    let backups = Api::<Backup>::namespaced(client.clone(), velero);
    let backups = backups.list(&ListParams::default()).await?.items;
    let mut plans = Vec::new();
    for source in &test.sources {
        let chosen = choose::choose(&backups, source, Timestamp::now())?;
        let contents = contents(client, velero, &chosen, asked_by).await?;
        holds_all(&chosen.name, &contents, source)?;
        plans.push(of_source(client, source, chosen, &contents, wanted).await?);
    }
    Ok(plans)
}

async fn of_source(
    client: &Client,
    source: &Source,
    chosen: Chosen,
    contents: &BackupContents,
    wanted: &Wanted,
) -> Result<SourcePlan, NoPlan> {
    let names: Vec<&str> = source.namespaces.iter().map(|n| n.name.as_str()).collect();
    let owned: Vec<String> = names.iter().map(ToString::to_string).collect();
    let (mut missed, mut not_compared) = (Vec::new(), Vec::new());
    if let (CompletenessBasis::Source, Some(began)) = (source.completeness, chosen.started) {
        let now = list::list(
            client.clone(),
            owned.clone(),
            wanted.clone(),
            list::Refusal::IsTold,
        )
        .await?;
        not_compared.extend(now.unlisted);
        for (namespace, objects) in &now.objects {
            let held = contents.objects.get(namespace).cloned().unwrap_or_default();
            // Nothing is made yet, so nothing of what the cluster would put into a sandbox is known.
            let lost = missing(objects, &held, began, &source.label_selector, &BTreeSet::new());
            missed.extend(lost.into_iter().map(ObjectId::display));
        }
    }
    let of_test = contents
        .volumes
        .iter()
        .filter(|v| names.contains(&v.pvc_namespace.as_str()));
    Ok(SourcePlan {
        backup: chosen.name,
        started: chosen.started,
        objects: super::plan(contents, &names),
        volumes: of_test
            .map(|v| VolumePlan {
                claim: v.pvc_name.clone(),
                has_data: v.has_data(),
            })
            .collect(),
        namespaces: owned,
        missing: missed,
        not_compared,
    })
}

async fn contents(
    client: &Client,
    velero: &str,
    backup: &Chosen,
    asked_by: &str,
) -> Result<BackupContents, ArtifactError> {
    let location = backup.location.clone();
    let downloader = Downloader::new(
        client.clone(),
        location::access(
            client.clone(),
            velero.to_owned(),
            location,
            reqwest::Client::new(),
        )
        .await,
        velero,
        BTreeMap::new(),
        asked_by.to_owned(),
        CancellationToken::new(),
    );
    downloader.contents(&backup.name).await
}
