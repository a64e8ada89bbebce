//! Why a pod is not ready: from its conditions, its containers' states and the warnings about it.

mod container;
mod missing;
#[cfg(test)]
mod tests;

pub use missing::missing_object;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kymaros_crds::Cause;
use kymaros_webhooks::contain::{WAITS_FOR_DATA, sidecar_of};

use super::Trouble;

/// Longest that a container which crashed has to live to count as well.
const LONGEST_PROOF: SignedDuration = SignedDuration::from_mins(1);

/// What can be said of one pod.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// Ready, since when.
    Ready(Option<Timestamp>),
    /// Ran to its end.
    Succeeded,
    /// Not ready yet.
    Waiting(Trouble),
    /// Ran to a bad end, or is on its way out: only a controller makes another.
    Gone(Trouble),
    /// Crashes again and again; when its last try began.
    Crashing(Trouble, Option<Timestamp>),
    /// Will never be ready.
    Hopeless(Trouble),
}

impl PodState {
    fn map(self, other: impl FnOnce(Trouble) -> Trouble) -> Self {
        match self {
            Self::Waiting(trouble) => Self::Waiting(other(trouble)),
            Self::Gone(trouble) => Self::Gone(other(trouble)),
            Self::Crashing(trouble, tried) => Self::Crashing(other(trouble), tried),
            Self::Hopeless(trouble) => Self::Hopeless(other(trouble)),
            Self::Ready(_) | Self::Succeeded => self,
        }
    }
}

/// Judges one pod; `warnings` are the messages of Warning events about it.
#[must_use]
pub fn judge(pod: &Pod, warnings: &[String]) -> PodState {
    let state = of_containers(pod, warnings);
    match pod.metadata.annotations.as_ref().and_then(sidecar_of) {
        // What cannot even begin was kept from it by no network.
        Some(mesh) if !matches!(state, PodState::Hopeless(_)) => state.map(|trouble| beside(mesh, trouble)),
        _ => state,
    }
}

/// A trouble beside the sidecar of a mesh, with which nothing in a pod reaches anything.
fn beside(mesh: &str, trouble: Trouble) -> Trouble {
    if trouble.cause != Cause::Application || trouble.local || trouble.missing.is_some() {
        return trouble;
    }
    let why = format!("it has the sidecar of {mesh}, whose control plane no sandbox reaches");
    Trouble::new(Cause::Sandbox, format!("{}; {why}", trouble.message))
}

fn of_containers(pod: &Pod, warnings: &[String]) -> PodState {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.as_deref()).unwrap_or("Pending");
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Gone(Trouble::new(Cause::Sandbox, "the pod is being deleted"));
    }
    if phase == "Succeeded" {
        return PodState::Succeeded;
    }
    if let Some(ready) = ready(pod) {
        return ready;
    }
    if phase == "Failed" {
        return PodState::Gone(failed(pod));
    }
    for container in containers(pod) {
        if let Some(state) = container::judge(pod, container, warnings) {
            return if container.name == WAITS_FOR_DATA {
                state.map(of_engine)
            } else {
                state
            };
        }
    }
    let missing = warnings.iter().find_map(|w| missing_object(w));
    // Events come before the status: what is missing keeps the application's containers from starting, and as far as this
    // status knows they were not tried.
    if let Some(missing) = missing.filter(|_| !is_being_filled(pod)) {
        return PodState::Hopeless(missing);
    }
    PodState::Waiting(not_ready(pod, warnings))
}

/// The container of Velero's is no part of the application.
fn of_engine(trouble: Trouble) -> Trouble {
    match trouble.cause {
        Cause::Application => Trouble::new(Cause::RestoreEngine, trouble.message),
        _ => trouble,
    }
}

/// A pod that its node gave up was not given its chance; one that went beyond limits of its own was.
fn failed(pod: &Pod) -> Trouble {
    const BY_NODE: &[&str] = &[
        "Evicted",
        "Preempting",
        "Terminated",
        "NodeShutdown",
        "Shutdown",
        "NodeLost",
        "NodeAffinity",
        "UnexpectedAdmissionError",
    ];
    let status = pod.status.as_ref();
    let reason = status.and_then(|s| s.reason.as_deref()).unwrap_or_default();
    let message = status.and_then(|s| s.message.as_deref()).unwrap_or_default();
    let own_limit = message.contains("exceeds the total limit") || message.contains("exceeds the limit");
    let given_up = BY_NODE.contains(&reason) || reason.starts_with("OutOf") || is_disrupted(pod);
    let cause = if given_up && !own_limit {
        Cause::Sandbox
    } else {
        Cause::Application
    };
    let why = [message, reason, "no reason given"]
        .into_iter()
        .find(|text| !text.is_empty());
    Trouble::new(cause, format!("the pod failed: {}", why.unwrap_or_default()))
}

/// The control plane's word for a pod that had to go for a reason outside of it.
fn is_disrupted(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c.type_ == "DisruptionTarget" && c.status == "True")
}

/// `Ready` for a pod that is and stays ready.
fn ready(pod: &Pod) -> Option<PodState> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status == "True")?;
    Some(PodState::Ready(ready.last_transition_time.as_ref().map(|t| t.0)))
}

/// When a pod last went on: it was given to a node, or a container of it started.
#[must_use]
pub fn went_on(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let scheduled = conditions
        .into_iter()
        .flatten()
        .filter(|c| c.type_ == "PodScheduled" && c.status == "True")
        .filter_map(|c| c.last_transition_time.as_ref());
    let states = containers(pod).flat_map(|c| [c.state.as_ref(), c.last_state.as_ref()]);
    let started = states.flatten().filter_map(|state| {
        let running = state.running.as_ref().and_then(|r| r.started_at.as_ref());
        running.or_else(|| state.terminated.as_ref()?.started_at.as_ref())
    });
    scheduled.chain(started).map(|t| t.0).max()
}

/// Restarts of a pod's containers. Init containers try again until they succeed, which is their way to wait; those that
/// run beside the others are like these.
#[must_use]
pub fn restarts(pod: &Pod) -> i32 {
    lasting_containers(pod).map(|c| c.restart_count).sum()
}

/// The most restarts that one of those containers has.
#[must_use]
pub fn most_restarts(pod: &Pod) -> i32 {
    lasting_containers(pod)
        .map(|c| c.restart_count)
        .max()
        .unwrap_or(0)
}

/// When every container that crashed will have lived longer than before its last crash; at most a minute is asked for.
#[must_use]
pub fn outlives(pod: &Pod) -> Option<Timestamp> {
    lasting_containers(pod).filter_map(outlives_last).max()
}

fn outlives_last(container: &ContainerStatus) -> Option<Timestamp> {
    let last = container.last_state.as_ref()?.terminated.as_ref()?;
    let (born, died) = (last.started_at.as_ref()?.0, last.finished_at.as_ref()?.0);
    let running = container.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0;
    let life = died.duration_since(born).min(LONGEST_PROOF);
    running.checked_add(life).ok()
}

fn lasting_containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let init = pod.spec.iter().flat_map(|s| s.init_containers.iter().flatten());
    let beside: Vec<&str> = init
        .filter(|c| c.restart_policy.as_deref() == Some("Always"))
        .map(|c| c.name.as_str())
        .collect();
    let main = main_containers(pod).map(|c| c.name.as_str());
    let lasting: Vec<&str> = beside.into_iter().chain(main).collect();
    containers(pod).filter(move |c| lasting.contains(&c.name.as_str()))
}

/// Whether Velero has not yet filled the volumes of this pod. Until then an init container of Velero's keeps the others
/// from starting, and Velero keeps the Restore from ending.
#[must_use]
pub fn awaits_data(pod: &Pod) -> bool {
    let init = pod.spec.as_ref().and_then(|s| s.init_containers.as_ref());
    let has_to = init.into_iter().flatten().any(|c| c.name == WAITS_FOR_DATA);
    has_to && !containers(pod).any(|c| c.name == WAITS_FOR_DATA && c.ready)
}

/// Names of the volume claims that a pod has as volumes.
pub fn claims(pod: &Pod) -> impl Iterator<Item = String> {
    let volumes = pod.spec.as_ref().and_then(|s| s.volumes.as_ref());
    let claims = volumes.into_iter().flatten();
    claims.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
}

/// Whether that container of Velero's runs: all volumes are mounted, and no other container was tried.
fn is_being_filled(pod: &Pod) -> bool {
    let runs = |c: &ContainerStatus| c.state.as_ref().is_some_and(|s| s.running.is_some());
    containers(pod).any(|c| c.name == WAITS_FOR_DATA && runs(c))
}

/// The scheduler says nothing of a pod while it waits for a provisioner to make a volume, which it does for ten minutes.
fn is_on_no_node(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none())
}

/// The container whose image, volumes or network a pod waits for: nothing of the application was tried. Init containers come
/// first, and where there are some, the kubelet has the same word for all that were not tried.
fn being_made(pod: &Pod) -> Option<&ContainerStatus> {
    let state = |c: &ContainerStatus| c.state.clone().unwrap_or_default();
    let next = containers(pod).find(|c| state(c).terminated.is_none())?;
    let waiting = state(next).waiting?.reason?;
    let is_tried = next.last_state.as_ref().is_some_and(|s| s.terminated.is_some());
    (!is_tried && matches!(waiting.as_str(), "ContainerCreating" | "PodInitializing")).then_some(next)
}

fn main_containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    status
        .and_then(|s| s.container_statuses.as_ref())
        .into_iter()
        .flatten()
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status
        .and_then(|s| s.init_container_statuses.as_ref())
        .into_iter()
        .flatten();
    init.chain(main_containers(pod))
}

fn not_ready(pod: &Pod, warnings: &[String]) -> Trouble {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let unscheduled = conditions
        .into_iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unscheduled {
        let why = condition.message.as_deref().unwrap_or("no node takes it");
        return Trouble::new(Cause::Sandbox, format!("the pod cannot be scheduled: {why}"));
    }
    if is_on_no_node(pod) {
        let message = "the pod is not given to a node; the volume of a claim may be waited for";
        return Trouble::new(Cause::Sandbox, message);
    }
    if awaits_data(pod) {
        return Trouble::new(Cause::RestoreEngine, "its volumes are still being restored");
    }
    if let Some(crashed) = main_containers(pod)
        .filter(|c| !c.ready)
        .find_map(|c| container::crashed(pod, c))
    {
        return crashed;
    }
    let last = warnings.last().map(|w| format!(": {w}")).unwrap_or_default();
    if let Some(container) = being_made(pod) {
        let message = format!("container {} is not started yet{last}", container.name);
        return Trouble::new(Cause::Sandbox, message);
    }
    Trouble::new(Cause::Application, format!("the pod is not ready{last}"))
}
