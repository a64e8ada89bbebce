//! Why a pod is not ready: from its conditions, its containers' states and the warnings about it.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kymaros_crds::Cause;
use regex::Regex;

use super::Trouble;

/// Restarts after which a crash loop is taken to be for good, when nothing it could wait for is still starting.
const CRASH_LOOP_RESTARTS: i32 = 3;
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

/// Judges one pod; `warnings` are the messages of Warning events about it.
#[must_use]
pub fn judge(pod: &Pod, warnings: &[String]) -> PodState {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.as_deref()).unwrap_or("Pending");
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Gone(Trouble::new(Cause::Application, "the pod is being deleted"));
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
        if let Some(state) = judge_container(pod, container) {
            return state;
        }
    }
    if let Some(missing) = warnings.iter().find_map(|w| missing_object(w)) {
        return PodState::Hopeless(missing);
    }
    PodState::Waiting(not_ready(pod, warnings))
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

/// Restarts of a pod's containers. Init containers try again until they succeed, which is their way to wait.
#[must_use]
pub fn restarts(pod: &Pod) -> i32 {
    main_containers(pod).map(|c| c.restart_count).sum()
}

/// When every container that crashed will have lived longer than before its last crash; at most a minute is asked for.
#[must_use]
pub fn outlives(pod: &Pod) -> Option<Timestamp> {
    main_containers(pod).filter_map(outlives_last).max()
}

fn outlives_last(container: &ContainerStatus) -> Option<Timestamp> {
    let last = container.last_state.as_ref()?.terminated.as_ref()?;
    let (born, died) = (last.started_at.as_ref()?.0, last.finished_at.as_ref()?.0);
    let running = container.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0;
    let life = died.duration_since(born).min(LONGEST_PROOF);
    running.checked_add(life).ok()
}

/// Whether Velero has not yet filled the volumes of this pod. Until then an init container of Velero's keeps the others
/// from starting, and Velero keeps the Restore from ending.
#[must_use]
pub fn awaits_data(pod: &Pod) -> bool {
    let is_velero = |name: &str| name == "restore-wait";
    let init = pod.spec.as_ref().and_then(|s| s.init_containers.as_ref());
    let has_to = init.into_iter().flatten().any(|c| is_velero(&c.name));
    has_to && !containers(pod).any(|c| is_velero(&c.name) && c.ready)
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

fn judge_container(pod: &Pod, container: &ContainerStatus) -> Option<PodState> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let message = waiting.message.as_deref().unwrap_or_default();
    let name = &container.name;
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" => {
            Some(judge_image(reason, message, &container.image))
        }
        "CreateContainerConfigError" | "CreateContainerError" => Some(missing_object(message).map_or_else(
            || {
                PodState::Waiting(Trouble::new(
                    Cause::Application,
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

/// A registry that says "no such image" or "not for you" is a real failure: the application cannot be brought back.
/// One that does not answer says nothing about the backup.
fn judge_image(reason: &str, message: &str, image: &str) -> PodState {
    let says = |words: &[&str]| words.iter().any(|w| message.to_ascii_lowercase().contains(w));
    let refused = says(&[
        "not found",
        "manifest unknown",
        "denied",
        "unauthorized",
        "forbidden",
        "401",
        "403",
    ]) && !says(&[
        "no such host",
        "dial tcp",
        "i/o timeout",
        "connection refused",
        "unreachable",
    ]);
    match reason {
        "InvalidImageName" => PodState::Hopeless(Trouble::new(
            Cause::Application,
            format!("image name {image} is not valid"),
        )),
        "ErrImageNeverPull" => PodState::Hopeless(Trouble::new(
            Cause::Application,
            format!("image {image} is not on the node and its pull policy is Never"),
        )),
        _ if refused => PodState::Hopeless(Trouble::new(
            Cause::Application,
            format!("image {image} does not exist or may not be pulled"),
        )),
        _ => PodState::Waiting(Trouble::new(
            Cause::Sandbox,
            format!("image {image} cannot be pulled: {message}"),
        )),
    }
}

/// Reads "not found" texts of kubelet and controllers: `secret "x" not found`, `references non-existent secret key`.
#[must_use]
pub fn missing_object(message: &str) -> Option<Trouble> {
    static NOT_FOUND: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?i)\b(secret|configmap|serviceaccount|persistentvolumeclaim)s?\s+"(?:[^"/]+/)?([^"]+)" (?:is )?not found"#).ok()
    });
    static NO_KEY: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)").ok());
    if let Some(found) = NOT_FOUND.as_ref().and_then(|r| r.captures(message)) {
        let kind = proper_kind(&found[1]);
        let name = found[2].to_owned();
        return Some(Trouble {
            cause: Cause::Unknown,
            message: format!("{kind} {name} is not there"),
            missing: Some((kind.to_owned(), name)),
        });
    }
    NO_KEY.as_ref().and_then(|r| r.captures(message)).map(|found| {
        Trouble::new(
            Cause::Application,
            format!("{} {} has no key {}", &found[2], &found[3], &found[1]),
        )
    })
}

fn proper_kind(lower: &str) -> &'static str {
    match lower.to_ascii_lowercase().as_str() {
        "secret" => "Secret",
        "configmap" => "ConfigMap",
        "serviceaccount" => "ServiceAccount",
        _ => "PersistentVolumeClaim",
    }
}

/// How a container ended last, if it ever did.
fn ended(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let state = [container.state.as_ref(), container.last_state.as_ref()];
    state.into_iter().flatten().find_map(|s| s.terminated.as_ref())
}

fn last_try(container: &ContainerStatus) -> Option<Timestamp> {
    ended(container)?.started_at.as_ref().map(|t| t.0)
}

fn crashed(pod: &Pod, container: &ContainerStatus) -> Option<Trouble> {
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
    Some(Trouble::new(Cause::Application, message))
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
    if awaits_data(pod) {
        return Trouble::new(Cause::RestoreEngine, "its volumes are still being restored");
    }
    if let Some(crashed) = main_containers(pod)
        .filter(|c| !c.ready)
        .find_map(|c| crashed(pod, c))
    {
        return crashed;
    }
    let last = warnings.last().map(|w| format!(": {w}")).unwrap_or_default();
    Trouble::new(Cause::Application, format!("the pod is not ready{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(
        clippy::needless_pass_by_value,
        reason = "tests read better with the value in place"
    )]
    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" }, "status": status })).unwrap()
    }

    fn waiting(reason: &str, message: &str, restarts: i32) -> Pod {
        pod(serde_json::json!({ "phase": "Pending", "containerStatuses": [{
            "name": "app", "image": "shop:1", "imageID": "", "ready": false, "restartCount": restarts,
            "state": { "waiting": { "reason": reason, "message": message } },
            "lastState": { "terminated": { "exitCode": 3 } },
        }]}))
    }

    #[test]
    fn memory_that_the_sandbox_limits_is_not_the_applications_fault() {
        let killed = |by: &str| {
            let mut pod = pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
                "name": "app", "image": "shop:1", "imageID": "", "ready": false, "restartCount": 5,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] }));
            let mark = ("kubernetes.io/limit-ranger".to_owned(), by.to_owned());
            pod.metadata.annotations = Some([mark].into());
            match judge(&pod, &[]) {
                PodState::Crashing(trouble, _) => trouble.cause,
                other => panic!("{other:?}"),
            }
        };
        let set = "LimitRanger plugin set: ";
        assert_eq!(
            killed(&format!(
                "{set}cpu, memory request for container app; cpu, memory limit for container app"
            )),
            Cause::Sandbox
        );
        assert_eq!(
            killed(&format!("{set}memory limit for container app")),
            Cause::Sandbox
        );
        for own in [
            "cpu limit for container app",
            "memory limit for container other",
            "memory request for container app",
        ] {
            assert_eq!(killed(&format!("{set}{own}")), Cause::Application, "{own}");
        }
    }

    fn hopeless(pod: &Pod) -> Trouble {
        match judge(pod, &[]) {
            PodState::Hopeless(trouble) => trouble,
            other => panic!("expected hopeless, got {other:?}"),
        }
    }

    #[test]
    fn a_container_that_crashed_has_to_outlive_its_last_try() {
        let crashed = |born: &str| {
            pod(serde_json::json!({ "phase": "Running", "containerStatuses": [{
                "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 1,
                "state": { "running": { "startedAt": "2026-01-01T00:01:00Z" } },
                "lastState": { "terminated": { "exitCode": 1, "startedAt": born, "finishedAt": "2026-01-01T00:00:50Z" } },
            }]}))
        };
        let at = |text: &str| text.parse::<Timestamp>().ok();
        assert_eq!(
            outlives(&crashed("2026-01-01T00:00:30Z")),
            at("2026-01-01T00:01:20Z")
        );
        assert_eq!(
            outlives(&crashed("2025-12-31T00:00:00Z")),
            at("2026-01-01T00:02:00Z"),
            "a minute at most"
        );
        assert_eq!(outlives(&pod(serde_json::json!({ "phase": "Running" }))), None);
    }

    #[test]
    fn a_missing_secret_is_hopeless_and_named() {
        let trouble = hopeless(&waiting(
            "CreateContainerConfigError",
            "secret \"db-credentials\" not found",
            0,
        ));
        assert_eq!(trouble.missing, Some(("Secret".into(), "db-credentials".into())));
        let mount = "MountVolume.SetUp failed for volume \"c\" : configmap \"web\" not found";
        let state = judge(
            &pod(serde_json::json!({ "phase": "Pending" })),
            &[mount.to_owned()],
        );
        assert!(
            matches!(state, PodState::Hopeless(t) if t.missing == Some(("ConfigMap".into(), "web".into())))
        );
    }

    #[test]
    fn an_image_that_does_not_exist_is_told_from_a_registry_that_does_not_answer() {
        let gone = waiting(
            "ErrImagePull",
            "failed to resolve reference \"r/shop:1\": r/shop:1: not found",
            0,
        );
        assert_eq!(hopeless(&gone).cause, Cause::Application);
        let silent = waiting("ErrImagePull", "dial tcp: lookup r: no such host", 0);
        assert!(matches!(judge(&silent, &[]), PodState::Waiting(t) if t.cause == Cause::Sandbox));
        assert_eq!(
            hopeless(&waiting("ErrImageNeverPull", "", 0)).cause,
            Cause::Application
        );
    }

    #[test]
    fn a_few_crashes_are_start_up_and_many_are_a_loop() {
        assert!(matches!(
            judge(&waiting("CrashLoopBackOff", "", 1), &[]),
            PodState::Waiting(_)
        ));
        let PodState::Crashing(trouble, _) = judge(&waiting("CrashLoopBackOff", "", 3), &[]) else {
            panic!("expected crashing")
        };
        assert!(trouble.message.contains("code 3"), "{}", trouble.message);
    }

    #[test]
    fn a_pod_that_its_node_gave_up_is_the_sandbox_and_one_beyond_its_own_limit_is_not() {
        let cause = |status| match judge(&pod(status), &[]) {
            PodState::Gone(trouble) => trouble.cause,
            other => panic!("expected gone, got {other:?}"),
        };
        let evicted =
            |message: &str| serde_json::json!({ "phase": "Failed", "reason": "Evicted", "message": message });
        assert_eq!(
            cause(evicted("The node was low on resource: memory.")),
            Cause::Sandbox
        );
        let own = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi.";
        assert_eq!(cause(evicted(own)), Cause::Application);
        let preempted = serde_json::json!({ "phase": "Failed", "conditions": [
            { "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler" }] });
        assert_eq!(cause(preempted), Cause::Sandbox);
        assert_eq!(
            cause(serde_json::json!({ "phase": "Failed" })),
            Cause::Application
        );
    }

    #[test]
    fn a_pod_awaits_its_data_until_veleros_own_container_is_done() {
        let restoring = |status: serde_json::Value| -> Pod {
            serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" },
                "spec": { "containers": [], "initContainers": [{ "name": "restore-wait" }] }, "status": status }))
            .unwrap()
        };
        assert!(awaits_data(&restoring(serde_json::json!({ "phase": "Pending" }))));
        let wait = |ready: bool| {
            serde_json::json!({ "initContainerStatuses": [{ "name": "restore-wait", "image": "i",
            "imageID": "", "ready": ready, "restartCount": 0 }] })
        };
        assert!(awaits_data(&restoring(wait(false))));
        assert!(!awaits_data(&restoring(wait(true))));
        assert!(!awaits_data(&pod(serde_json::json!({ "phase": "Pending" }))));
    }

    #[test]
    fn ready_and_succeeded_are_fine() {
        let ready = pod(serde_json::json!({ "phase": "Running", "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }]}));
        assert_eq!(
            judge(&ready, &[]),
            PodState::Ready(Some("2026-01-01T00:00:00Z".parse().unwrap()))
        );
        assert_eq!(
            judge(&pod(serde_json::json!({ "phase": "Succeeded" })), &[]),
            PodState::Succeeded
        );
    }

    #[test]
    fn an_unschedulable_pod_is_the_sandbox() {
        let pending = pod(serde_json::json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" }]}));
        assert!(matches!(judge(&pending, &[]), PodState::Waiting(t) if t.cause == Cause::Sandbox));
    }
}
