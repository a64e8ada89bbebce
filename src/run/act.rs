//! Doing what was decided. Every effect may be done twice.

use std::{convert::Infallible, sync::Arc};

use futures::{
    StreamExt,
    future::{OptionFuture, try_join_all},
    stream,
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use kymaros_crds::names;
use thiserror::Error;

use super::{
    controller::RunContext,
    decide::Effect,
    memory::{Fetches, Obstacle, RunMemory},
    observed::{Delay, RestoreOutcome},
    removal,
};
use crate::{
    logs::collect,
    reason::RunReason,
    refusal,
    retry::again,
    sandbox::{
        apply::{self, SandboxError},
        naming::RunIdentity,
        remove::OwnedSandbox,
        untamed,
    },
    source::list,
    velero::{
        Restore,
        artifacts::{Artifact, ArtifactError, Downloader},
        location, movers,
        operations::{self, RawItemOperations},
        restore::{self, RestorePlan},
        results::{RawResourceList, RestoredObjects},
    },
};

/// Why an effect could not be done now. All of these are tried again; what is refused for good is remembered as an
/// [`Obstacle`] and ends the run.
#[derive(Debug, Error)]
pub enum ActError {
    /// Making a sandbox.
    #[error("making a sandbox: {0}")]
    Sandbox(#[from] SandboxError),
    /// Anything else at the API server.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// A sandbox is gone, or its name is somebody else's now: nothing is restored into it.
    #[error("sandbox {0} was deleted by somebody while the run went on")]
    NoSandbox(String),
    /// An object of the name of our Restore is not ours.
    #[error("restore {0} exists and is not of this run")]
    ForeignRestore(String),
}

impl ActError {
    fn obstacle(&self) -> Option<Obstacle> {
        let reason = match self {
            Self::Sandbox(error) if error.is_permanent() => RunReason::SandboxRefused,
            Self::Api(kube::Error::Api(status)) if refusal::is_final(status) => RunReason::RestoreRefused,
            Self::ForeignRestore(_) => RunReason::RestoreRefused,
            Self::NoSandbox(_) => RunReason::SandboxDeleted,
            Self::Sandbox(_) | Self::Api(_) => return None,
        };
        Some(Obstacle {
            reason,
            message: self.to_string(),
        })
    }
}

/// Sandboxes of a run that are made or removed at the same time.
const TOGETHER: usize = 8;

/// Does the effects in order, those about sandboxes of their own together. Whether something was refused for good, which is to
/// be looked at at once.
///
/// # Errors
/// The first passing trouble; the rest is done after the next look.
pub async fn act(
    context: &RunContext,
    memory: &Arc<RunMemory>,
    identity: &RunIdentity,
    effects: &[Effect],
) -> Result<bool, ActError> {
    for together in effects.chunk_by(|one, next| is_of_a_sandbox(one) && is_of_a_sandbox(next)) {
        let mut work = Vec::with_capacity(together.len());
        for effect in together {
            work.push(one(context, memory, identity, effect));
        }
        let done: Vec<_> = stream::iter(work).buffered(TOGETHER).collect().await;
        for (effect, done) in together.iter().zip(done) {
            let Err(error) = done else { continue };
            match error.obstacle() {
                Some(obstacle) if matches!(effect, Effect::MakeSandbox(_) | Effect::CreateRestore(_)) => {
                    memory.set_obstacle(obstacle);
                    return Ok(true);
                }
                _ => return Err(error),
            }
        }
    }
    Ok(false)
}

/// Whether it concerns one sandbox and no other.
fn is_of_a_sandbox(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::MakeSandbox(_)
            | Effect::FreeSandbox(_)
            | Effect::RemoveSandbox(_)
            | Effect::ReleaseSandbox(_)
    )
}

async fn one(
    context: &RunContext,
    memory: &Arc<RunMemory>,
    identity: &RunIdentity,
    effect: &Effect,
) -> Result<(), ActError> {
    let client = &context.client;
    match effect {
        Effect::MakeSandbox(plan) => {
            apply::apply(client, &context.operator, &context.resolvers, plan).await?;
        }
        Effect::FetchContents { source, backup } => {
            let downloader = downloader(context, memory, identity, *source, backup.location.clone());
            let backup = backup.name.clone();
            let work = async move { downloader.await.contents(&backup).await };
            Fetches::start(memory, |m| &m.contents, *source, work);
        }
        Effect::ForgetContents => memory.contents.forget(),
        Effect::FetchSource { source, namespaces } => {
            let work = list::list(
                client.clone(),
                namespaces.clone(),
                context.wanted.clone(),
                list::Refusal::Fails,
            );
            Fetches::start(memory, |m| &m.sources, *source, work);
        }
        Effect::CreateRestore(plan) => create_restore(context, identity, plan).await?,
        Effect::Watch(targets) => memory.watch(client, targets),
        Effect::FetchOutcome {
            source,
            restore,
            location,
        } => {
            let downloader = downloader(context, memory, identity, *source, location.clone());
            let (movers, restore) = (
                (client.clone(), context.velero_namespace.clone()),
                restore.clone(),
            );
            let has_operations = has_operations(context, &restore);
            let clock = memory.clock.clone();
            let work = async move {
                let mut outcome = outcome(downloader.await, movers, restore, has_operations).await?;
                let place = |moment| clock.place(moment);
                for mover in outcome.movers.iter_mut().flatten() {
                    mover.times = (mover.times.0.map(place), mover.times.1.map(place));
                }
                Ok::<_, ArtifactError>(outcome)
            };
            Fetches::start(memory, |m| &m.outcomes, *source, work);
        }
        Effect::LookInto { source, sandboxes } => {
            let work = untamed::within(client.clone(), sandboxes.clone(), identity.uid.clone());
            Fetches::start(memory, |m| &m.untamed, *source, work);
        }
        Effect::FetchDelay {
            source,
            read,
            restore,
        } => {
            let read = read.as_ref().map(|backup| {
                let downloader = downloader(context, memory, identity, *source, backup.location.clone());
                let backup = backup.name.clone();
                async move { downloader.await.answers(&backup).await }
            });
            let velero = (client.clone(), context.velero_namespace.clone());
            let work = delay(velero, restore.clone(), read);
            Fetches::start(memory, |m| &m.delays, *source, work);
        }
        Effect::StartChecks { checks, targets } => memory.start_checks(client, checks, targets),
        Effect::CollectLogs { sandboxes, wanted } => {
            let work = collect::collect(client.clone(), sandboxes.clone(), wanted.clone());
            Fetches::start(memory, |m| &m.logs, 0, work);
        }
        Effect::CancelDataMovement(restore) => {
            removal::movers(client, &context.velero_namespace, restore).await?;
        }
        Effect::FreeSandbox(name) => {
            if let Some(owned) = OwnedSandbox::find(client, name, &identity.uid).await? {
                owned.free(client, &|freed| memory.note_freed(freed)).await?;
            }
        }
        Effect::RemoveSandbox(name) => removal::sandbox(client, memory, name, &identity.uid).await?,
        Effect::ReleaseSandbox(name) => removal::release(client, memory, name, &identity.uid).await?,
        Effect::RemoveOutside(left) => {
            removal::outside(client, memory, &context.velero_namespace, left).await?;
        }
    }
    Ok(())
}

fn downloader(
    context: &RunContext,
    memory: &RunMemory,
    identity: &RunIdentity,
    source: usize,
    location: Option<String>,
) -> impl Future<Output = Downloader> + Send + 'static {
    let (client, velero) = (context.client.clone(), context.velero_namespace.clone());
    let (labels, prefix) = (identity.labels(), identity.download_prefix(source));
    let access = location::access(client.clone(), velero.clone(), location, context.http.clone());
    let over = memory.downloads_over.clone();
    async move { Downloader::new(client, access.await, &velero, labels, prefix, over) }
}

/// What cannot be looked at delays nothing.
async fn delay(
    (client, velero): (Client, String),
    restore: String,
    read: Option<impl Future<Output = bool>>,
) -> Result<Delay, Infallible> {
    let (movers, answers) = tokio::join!(
        movers::of_restore(&client, &velero, &restore),
        OptionFuture::from(read),
    );
    Ok(Delay {
        movers: movers
            .inspect_err(|error| tracing::warn!(%error, "data movers cannot be listed"))
            .unwrap_or_default(),
        storage_is_away: answers == Some(false),
    })
}

/// Whether there is a list of item operations: asking for one that Velero did not write ends in an error.
fn has_operations(context: &RunContext, restore: &str) -> bool {
    let found = context
        .restores
        .find(|r| r.metadata.name.as_deref() == Some(restore));
    found.is_some_and(|restore| restore::has_item_operations(&restore))
}

async fn outcome(
    downloader: Downloader,
    (client, velero): (Client, String),
    restore: String,
    has_operations: bool,
) -> Result<RestoreOutcome, ArtifactError> {
    let operations = has_operations
        .then(|| downloader.fetch::<RawItemOperations>(Artifact::RestoreItemOperations, &restore));
    let (list, results, operations, movers) = tokio::join!(
        downloader.fetch::<RawResourceList>(Artifact::RestoreResourceList, &restore),
        downloader.fetch(Artifact::RestoreResults, &restore),
        OptionFuture::from(operations),
        again(|| movers::of_restore(&client, &velero, &restore)),
    );
    let movers = movers.inspect_err(|error| tracing::warn!(%error, "data movers cannot be listed"));
    // Without them less can be explained, and the rest is there all the same.
    let operations = operations.map_or(Ok(Vec::new()), |list| list.map(operations::of_list));
    let operations = operations.inspect_err(|error| tracing::warn!(%error, "item operations cannot be read"));
    Ok(RestoreOutcome {
        restored: RestoredObjects::new(&list?),
        results: results?,
        movers: movers.ok(),
        operations: operations.ok(),
    })
}

/// Creates the Restore. Before that, each target is looked at once more: it must be a sandbox of this very run.
async fn create_restore(
    context: &RunContext,
    identity: &RunIdentity,
    plan: &RestorePlan,
) -> Result<(), ActError> {
    let look = |sandbox: String| async move {
        let found = OwnedSandbox::find(&context.client, &sandbox, &identity.uid).await?;
        found.map(|_| ()).ok_or(ActError::NoSandbox(sandbox))
    };
    try_join_all(plan.mapping.values().cloned().map(look)).await?;
    let restores = Api::<Restore>::namespaced(context.client.clone(), &context.velero_namespace);
    let wanted = restore::build(plan, &context.velero_namespace);
    match restores.create(&PostParams::default(), &wanted).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let existing = restores.get(&plan.name).await?;
            let is_ours = existing.labels().get(names::RUN_UID_LABEL) == Some(&identity.uid);
            if is_ours {
                Ok(())
            } else {
                Err(ActError::ForeignRestore(plan.name.clone()))
            }
        }
        Err(error) => Err(error.into()),
    }
}
