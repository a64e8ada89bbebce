//! What keeps a container from running.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kymaros_crds::Cause;

use super::{PodState, missing_object};
use crate::workloads::Trouble;

/// What the template of a gateway, or of a sidecar with settings of its own, has for an image.
const PUT_IN: &str = "auto";
/// Restarts after which a crash loop is taken to be for good, when nothing it could wait for is still starting.
const CRASH_LOOP_RESTARTS: i32 = 3;

pub(super) fn judge(pod: &Pod, container: &ContainerStatus, warnings: &[String]) -> Option<PodState> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let message = waiting.message.as_deref().unwrap_or_default();
    let name = &container.name;
    match reason {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "ImageInspectError" => {
            let why = why_not_pulled(message, &container.image, warnings);
            Some(judge_image(reason, why, &container.image))
        }
        "CreateContainerConfigError" | "CreateContainerError" if is_late(message) => {
            let why = format!("container {name}: the node is not done in time: {message}");
            Some(PodState::Waiting(Trouble::new(Cause::Sandbox, why)))
        }
        "CreateContainerConfigError" | "CreateContainerError" => Some(missing_object(message).map_or_else(
            || {
                PodState::Waiting(Trouble::of_application(
                    true,
                    format!("container {name}: {message}"),
                ))
            },
            PodState::Hopeless,
        )),
        "CrashLoopBackOff" => {
            let trouble = crashed(pod, container).unwrap_or_else(|| {
                Trouble::new(
                    Cause::Application,
                    format!("container {name} exits again and again"),
                )
            });
            Some(if container.restart_count >= CRASH_LOOP_RESTARTS {
                PodState::Crashing(trouble, last_try(container))
            } else {
                PodState::Waiting(trouble)
            })
        }
        _ => None,
    }
}

/// Whether a node that has much to do gave up for now.
fn is_late(message: &str) -> bool {
    const LATE: &[&str] = &[
        "deadline exceeded",
        "timed out",
        "failed to sync",
        "failed to reserve",
    ];
    LATE.iter().any(|words| message.contains(words))
}

/// What the registry said. Kubelets before 1.32 keep that out of the status of a container once they wait before the next
/// try, and only warn of it.
fn why_not_pulled<'a>(message: &'a str, image: &str, warnings: &'a [String]) -> &'a str {
    if message != format!("Back-off pulling image \"{image}\"") {
        return message;
    }
    let failed = format!("Failed to pull image \"{image}\"");
    let told = warnings.iter().rev().find(|warning| warning.starts_with(&failed));
    told.map_or(message, String::as_str)
}

/// A registry that says "no such image" or "not for you" is a real failure: the application cannot be brought back.
/// One that does not answer says nothing about the backup.
fn judge_image(reason: &str, message: &str, image: &str) -> PodState {
    const ABSENT: &[&str] = &["not found", "manifest unknown"];
    const CLOSED: &[&str] = &["denied", "unauthorized", "forbidden"];
    const SILENT: &[&str] = &[
        "no such host",
        "dial tcp",
        "timeout",
        "connection refused",
        "connection reset",
        "unreachable",
        "no route to host",
        "context deadline exceeded",
        "request canceled",
        "internal server error",
        "bad gateway",
        "service unavailable",
        "too many requests",
    ];
    let said = without_names(message, image).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| said.contains(w));
    let is_hopeless =
        |local: bool, message: String| PodState::Hopeless(Trouble::of_application(local, message));
    match reason {
        _ if image == PUT_IN => PodState::Hopeless(Trouble::new(
            Cause::Sandbox,
            format!("image {image} stands for the one that Istio puts in, and a sandbox is in no mesh"),
        )),
        "InvalidImageName" => is_hopeless(true, format!("image name {image} is not valid")),
        "ErrImageNeverPull" => {
            let message = format!("image {image} is not on the node and its pull policy is Never");
            is_hopeless(true, message)
        }
        // Whoever is refused may have lost its pull Secret.
        _ if (says(ABSENT) || says(CLOSED)) && !says(SILENT) => {
            let message = format!("image {image} does not exist or may not be pulled");
            is_hopeless(says(ABSENT) && !says(CLOSED), message)
        }
        _ => PodState::Waiting(Trouble::new(
            Cause::Sandbox,
            format!("image {image} cannot be pulled: {message}"),
        )),
    }
}

/// A text without images, digests and addresses in it: an image may be called `forbidden`.
fn without_names(message: &str, image: &str) -> String {
    let is_name = |word: &str| {
        let bare = word.trim_matches(|c: char| matches!(c, '"' | '\'' | '\\' | ':' | ',' | '.' | ';'));
        word.contains(['/', '@']) || bare == image || bare.starts_with("sha256:")
    };
    let words = message.split_whitespace().filter(|word| !is_name(word));
    words.collect::<Vec<_>>().join(" ")
}

/// How a container ended last, if it ever did.
fn ended(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let state = [container.state.as_ref(), container.last_state.as_ref()];
    state.into_iter().flatten().find_map(|s| s.terminated.as_ref())
}

fn last_try(container: &ContainerStatus) -> Option<Timestamp> {
    ended(container)?.started_at.as_ref().map(|t| t.0)
}

pub(super) fn crashed(pod: &Pod, container: &ContainerStatus) -> Option<Trouble> {
    let ended = ended(container)?;
    if ended.reason.as_deref() == Some("OOMKilled") && is_limited_by_sandbox(pod, &container.name) {
        let message = format!(
            "container {} states no limit and used more than the sandbox's whole memory; raise sandbox.resourceQuota.memory",
            container.name
        );
        return Some(Trouble::new(Cause::Sandbox, message));
    }
    let why = match ended.reason.as_deref() {
        Some(reason) if reason != "Error" && reason != "Completed" => format!(" ({reason})"),
        _ => String::new(),
    };
    let message = format!(
        "container {} exits with code {}{why} again and again ({} restarts)",
        container.name, ended.exit_code, container.restart_count
    );
    Some(Trouble::of_application(is_local(ended), message))
}

/// Whether a container ended for what is in its image or its limits: it was killed for its memory, or what it was told to
/// run is not there or no program (126 and 127 of shells, `StartError` of the runtime).
fn is_local(ended: &ContainerStateTerminated) -> bool {
    const REASONS: &[&str] = &["OOMKilled", "StartError", "ContainerCannotRun"];
    let reason = ended.reason.as_deref().unwrap_or_default();
    REASONS.contains(&reason) || matches!(ended.exit_code, 126 | 127)
}

/// Whether the memory limit of a container is not its own, in the words of the API server's plugin that put it there:
/// `LimitRanger plugin set: cpu, memory request for container a; memory limit for container b`.
fn is_limited_by_sandbox(pod: &Pod, container: &str) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    let set = annotations.and_then(|all| all.get("kubernetes.io/limit-ranger"));
    let mut parts = set.into_iter().flat_map(|set| set.split([';', ':']));
    parts.any(|part| {
        let limits = part
            .trim()
            .strip_suffix(container)
            .and_then(|rest| rest.strip_suffix(" limit for container "));
        limits.is_some_and(|limits| limits.split(", ").any(|limit| limit == "memory"))
    })
}
