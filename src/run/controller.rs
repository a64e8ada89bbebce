//! The `RestoreReport` controller: drives each run, one step after the other, and never waits for the world.

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ObjectReference};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
    },
};
use kymaros_crds::{RestoreReport, RestoreReportStatus, RunResult, names};
use thiserror::Error;
use tokio::sync::watch;

use super::{
    act::{ActError, act},
    decide::{Decision, decide, start_over},
    events,
    memories::Memories,
    memory::RunMemory,
    observe::{self, observe},
    remains,
};
use crate::{
    admission::{AdmissionState, Namespaces},
    condition,
    fleet::RunLog,
    sandbox::objects::Operator,
    source,
    stored::StoredReport,
    telemetry::events::Events,
    velero::{Backup, Restore},
    workloads::watch::Wake,
};

/// Steps a run takes in one go before others get their turn.
const STEPS: usize = 12;

/// What runs left behind is looked at again this often: the storage or somebody's hands remove it, and no watch of ours sees it.
const LOOK_AT_REMAINS: Duration = Duration::from_mins(10);

/// What the run controller works with.
pub struct RunContext {
    /// Talks to the API server.
    pub client: Client,
    /// Fetches artifacts.
    pub http: reqwest::Client,
    /// All reports.
    pub reports: Store<StoredReport>,
    /// Which of them are of runs that go on.
    pub log: RunLog,
    /// All Restores in Velero's namespace.
    pub restores: Store<Restore>,
    /// All Backups in Velero's namespace.
    pub backups: Store<Backup>,
    /// Deployments in Velero's namespace.
    pub velero: Store<Deployment>,
    /// All namespaces.
    pub namespaces: Namespaces,
    /// Whether admission fences sandboxes.
    pub admission: watch::Receiver<AdmissionState>,
    /// Who we are.
    pub operator: Operator,
    /// Whom pods of sandboxes ask for names.
    pub resolvers: Vec<IpAddr>,
    /// Where Velero lives.
    pub velero_namespace: String,
    /// What a source is looked through for.
    pub wanted: source::Wanted,
    /// How many runs may have sandboxes at once.
    pub concurrent_runs: usize,
    /// Publishes Events.
    pub events: Arc<Events>,
    /// What this process holds for runs.
    pub memories: Memories,
    /// Has a run looked at again.
    pub wakes: UnboundedSender<ObjectRef<StoredReport>>,
}

impl RunContext {
    /// Reports of runs that go on.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = Arc<StoredReport>> {
        let runs = self.log.unfinished();
        runs.into_iter().filter_map(|run| self.reports.get(&run.stored()))
    }
}

/// Why a run could not take its next step now.
#[derive(Debug, Error)]
pub enum RunError {
    /// The snapshot could not be completed.
    #[error("looking at the run: {0}")]
    Observe(#[source] kube::Error),
    /// An effect could not be done.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The status could not be written.
    #[error("writing the report: {0}")]
    Write(#[source] kube::Error),
}

/// Takes the steps a run can take now.
///
/// # Errors
/// [`RunError`]; the run is tried again later.
#[tracing::instrument(skip_all, fields(run = %stored.name_any(), test = %stored.test, namespace = stored.namespace()))]
pub async fn reconcile(stored: Arc<StoredReport>, context: Arc<RunContext>) -> Result<Action, RunError> {
    let looked_at = (!stored.is_settled()).then(|| stored.whole());
    let Some(report) = looked_at.flatten() else {
        context.memories.forget(&stored.uid);
        return Ok(Action::await_change());
    };
    let uid = report.uid().unwrap_or_default();
    if observe::is_over(&report) {
        context.memories.forget(&uid);
        return look_at_remains(&context, Arc::unwrap_or_clone(report)).await;
    }
    let attempt = start_over::attempt(report.status.as_ref().and_then(|s| s.attempt));
    let goes_on = || {
        context
            .unfinished()
            .map(|report| report.uid.to_string())
            .collect()
    };
    let memory = context.memories.of(&uid, attempt, goes_on, || {
        RunMemory::new(wake_for(&context, &stored), observe::clock(&report))
    });
    let mut report = Arc::unwrap_or_clone(report);
    for _ in 0..STEPS {
        match Box::pin(step(&context, &memory, report)).await? {
            Step::Again(next) => report = *next,
            Step::Wait(action) => return Ok(action),
            Step::Over => {
                context.memories.forget(&uid);
                return Ok(Action::await_change());
            }
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}

/// Looks at what an ended run left behind until it is gone, and says so in its report.
async fn look_at_remains(context: &RunContext, report: RestoreReport) -> Result<Action, RunError> {
    let Some(known) = remains::known(&report) else {
        return Ok(Action::await_change());
    };
    let left = remains::still_there(&context.client, &context.velero_namespace, &report, known)
        .await
        .map_err(RunError::Observe)?;
    if left < known {
        let mut status = report.status.clone().unwrap_or_default();
        status.leftovers = Some(left);
        // The change, ours or somebody else's, has it looked at again.
        write_status(context, report, &status).await?;
    }
    Ok(Action::requeue(LOOK_AT_REMAINS))
}

enum Step {
    Again(Box<RestoreReport>),
    Wait(Action),
    Over,
}

async fn step(
    context: &RunContext,
    memory: &Arc<RunMemory>,
    report: RestoreReport,
) -> Result<Step, RunError> {
    let now = memory.clock.now();
    let observed = observe(context, memory, &report, now)
        .await
        .map_err(RunError::Observe)?;
    let decision = decide(&observed, now);
    if act(context, memory, &observed.identity, &decision.effects).await? {
        return Ok(Step::Again(Box::new(report)));
    }
    let old = report.status.clone().unwrap_or_default();
    let changed = decision.status != old;
    let report = if changed {
        let Some(written) = write_status(context, report, &decision.status).await? else {
            // Somebody else wrote first, or our own last write is not in the store yet: its change wakes us.
            return Ok(Step::Wait(Action::requeue(Duration::from_secs(5))));
        };
        tell(context, &written, &old).await;
        if decision.status.attempt != old.attempt {
            // What was seen belongs to the try that is over.
            return Ok(Step::Wait(Action::requeue(Duration::ZERO)));
        }
        written
    } else {
        report
    };
    if decision.release {
        let released = release(context, &report).await?;
        return Ok(if released {
            Step::Over
        } else {
            Step::Wait(Action::requeue(Duration::from_secs(1)))
        });
    }
    Ok(if changed {
        Step::Again(Box::new(report))
    } else {
        Step::Wait(wait(&decision, now))
    })
}

fn wait(decision: &Decision, now: Timestamp) -> Action {
    match decision.wake {
        None => Action::await_change(),
        Some(at) => Action::requeue(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)),
    }
}

fn wake_for(context: &RunContext, report: &StoredReport) -> Wake {
    let wakes = context.wakes.clone();
    let target = ObjectRef::from_obj(report);
    Arc::new(move || {
        // Only fails while the process shuts down.
        let _ = wakes.unbounded_send(target.clone());
    })
}

/// Replaces the status with the `resourceVersion` it was decided on; `None` when that is no longer the newest.
async fn write_status(
    context: &RunContext,
    report: RestoreReport,
    status: &RestoreReportStatus,
) -> Result<Option<RestoreReport>, RunError> {
    let api = reports(context, &report);
    let name = report.name_any();
    let mut wanted = report;
    let mut status = status.clone();
    condition::of_run(&mut status, &wanted.spec, wanted.metadata.generation);
    wanted.status = Some(status);
    match api.replace_status(&name, &PostParams::default(), &wanted).await {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(None),
        Err(error) => Err(RunError::Write(error)),
    }
}

/// Takes the finalizer off: the report may be deleted by its owner from now on. `false` when somebody changed the
/// report meanwhile.
async fn release(context: &RunContext, report: &RestoreReport) -> Result<bool, RunError> {
    let others: Vec<&String> = report
        .finalizers()
        .iter()
        .filter(|f| *f != names::FINALIZER)
        .collect();
    if others.len() == report.finalizers().len() {
        return Ok(true);
    }
    // The version makes it refuse to drop a finalizer that somebody added meanwhile.
    let patch = serde_json::json!({
        "metadata": { "finalizers": others, "resourceVersion": report.resource_version() },
    });
    let patched = reports(context, report)
        .patch(&report.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match patched {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
        Err(error) => Err(RunError::Write(error)),
    }
}

fn reports(context: &RunContext, report: &RestoreReport) -> Api<RestoreReport> {
    Api::namespaced(context.client.clone(), &report.namespace().unwrap_or_default())
}

async fn tell(context: &RunContext, report: &RestoreReport, old: &RestoreReportStatus) {
    let status = report.status.clone().unwrap_or_default();
    if status.phase != old.phase {
        tracing::info!(phase = ?status.phase, "phase");
    }
    if let (None, Some(result)) = (old.result, status.result) {
        let message = status.message.as_deref().unwrap_or_default();
        if result == RunResult::Pass {
            tracing::info!(score = status.score, ?result, "{message}");
        } else {
            tracing::warn!(score = status.score, ?result, "{message}");
        }
    }
    let test = test(report);
    for event in events::between(old, &status) {
        let of_test = async {
            if let Some(test) = &test {
                context.events.publish(&event, test.clone()).await;
            }
        };
        tokio::join!(context.events.publish(&event, report.object_ref(&())), of_test);
    }
}

/// The test of a run, which tells of it as its report does: people describe the one that they made.
fn test(report: &RestoreReport) -> Option<ObjectReference> {
    let owner = observe::owner(report)?;
    Some(ObjectReference {
        api_version: Some(owner.api_version.clone()),
        kind: Some(owner.kind.clone()),
        name: Some(owner.name.clone()),
        namespace: report.namespace(),
        uid: Some(owner.uid.clone()),
        ..ObjectReference::default()
    })
}
