//! From the objects of one sandbox to its workloads: a pure function.

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, Event, Pod, ReplicationController, Service, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kymaros_crds::Cause;

use super::{
    Trouble, Workload, WorkloadState, alone,
    controllers::{Controller, controllers},
    homes::{Home, home},
    pods::{PodState, awaits_data, claims, judge, missing_object, outlives, restarts},
    warnings,
};

/// The objects of one sandbox, as its watches see them.
#[derive(Clone, Debug, Default)]
pub struct SandboxObjects {
    /// Pods.
    pub pods: Vec<Pod>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// Stateful sets.
    pub stateful_sets: Vec<StatefulSet>,
    /// Daemon sets.
    pub daemon_sets: Vec<DaemonSet>,
    /// Replica sets, for those without a Deployment and for reasons why pods cannot be made.
    pub replica_sets: Vec<ReplicaSet>,
    /// Replication controllers, as those of a `DeploymentConfig` of `OpenShift`.
    pub replication_controllers: Vec<ReplicationController>,
    /// Settings, which may name other namespaces.
    pub config_maps: Vec<ConfigMap>,
    /// Services, of which some are only names of others.
    pub services: Vec<Service>,
    /// Who has rights at the API server.
    pub role_bindings: Vec<RoleBinding>,
    /// Which rights.
    pub roles: Vec<Role>,
    /// Accounts, which may say that pods get no token.
    pub service_accounts: Vec<ServiceAccount>,
    /// Warnings.
    pub warnings: Vec<Event>,
    /// When the kubelet had an image of a container.
    pub pulled: Vec<Timestamp>,
}

/// Lists the workloads of a sandbox and where each stands.
#[must_use]
pub fn assess(source: &str, objects: &SandboxObjects) -> Vec<Workload> {
    let controllers = controllers(objects);
    let mut of_controllers: Vec<Vec<&Pod>> = vec![Vec::new(); controllers.len()];
    let mut bare = Vec::new();
    for pod in &objects.pods {
        match home(pod, &controllers) {
            Home::Controllers(places) => {
                for place in places {
                    of_controllers[place].push(pod);
                }
            }
            Home::Itself => bare.push((pod, judged(pod, objects))),
            Home::Elsewhere => {}
        }
    }
    let sets = controllers.iter().zip(&of_controllers);
    let sets = sets.map(|(set, own)| set.assess(source, own, objects));
    let mut workloads: Vec<_> = sets.chain(alone::assess(source, &bare)).collect();
    workloads.sort_by(|a, b| a.object.cmp(&b.object));
    workloads
}

impl Controller {
    fn assess(&self, source: &str, own: &[&Pod], objects: &SandboxObjects) -> Workload {
        let pods: Vec<PodState> = own.iter().map(|pod| judged(pod, objects)).collect();
        // The controller's word comes later than that of its pods: one that has just crashed is not ready.
        let up = pods.iter().filter(|p| matches!(p, PodState::Ready(_))).count();
        let all_up = usize::try_from(self.wanted).is_ok_and(|wanted| up >= wanted);
        let state = if self.current && self.ready >= self.wanted && all_up {
            WorkloadState::Ready(newest_ready(&pods))
        } else {
            let made = own.iter().filter_map(|p| p.metadata.creation_timestamp.as_ref());
            self.not_ready(&pods, made.map(|t| t.0).max(), objects)
        };
        Workload {
            source: source.to_owned(),
            object: self.object(),
            wanted: self.wanted,
            ready: self.ready.min(self.wanted),
            state,
            restarts: own.iter().map(|pod| restarts(pod)).sum(),
            outlives: own.iter().filter_map(|pod| outlives(pod)).max(),
            awaits_data: own.iter().any(|pod| awaits_data(pod)),
            claims: own.iter().flat_map(|pod| claims(pod)).collect(),
        }
    }

    fn not_ready(
        &self,
        pods: &[PodState],
        newest: Option<Timestamp>,
        objects: &SandboxObjects,
    ) -> WorkloadState {
        if let Some(trouble) = pods.iter().find_map(hopeless) {
            return WorkloadState::Hopeless(trouble);
        }
        let mut failures: Vec<String> = self.failure.iter().cloned().collect();
        let warned = |kind: &str, name: &str| warnings::of_controller(kind, name, newest, objects);
        failures.extend(warned(self.kind, &self.name));
        let sets = self.sets.iter();
        failures.extend(sets.flat_map(|set| warned("ReplicaSet", set)));
        if let Some(trouble) = failures.iter().find_map(|f| refused(f)) {
            return WorkloadState::Hopeless(trouble);
        }
        // Pods that may come tell more than those that are gone.
        let waiting = pods.iter().find_map(|p| match p {
            PodState::Waiting(trouble) => Some(WorkloadState::Pending(trouble.clone())),
            _ => None,
        });
        let crashing = || {
            pods.iter().find_map(|p| match p {
                PodState::Crashing(trouble, tried) => Some(WorkloadState::Crashing {
                    trouble: trouble.clone(),
                    tried: *tried,
                }),
                _ => None,
            })
        };
        let gone = || {
            pods.iter().find_map(|p| match p {
                PodState::Gone(trouble) => Some(WorkloadState::Pending(trouble.clone())),
                _ => None,
            })
        };
        waiting.or_else(crashing).or_else(gone).unwrap_or_else(|| {
            let trouble = unanswered(&failures).unwrap_or_else(|| {
                let message = format!("{} of {} pods are ready", self.ready, self.wanted);
                let last = failures.last().map(|f| format!(": {f}")).unwrap_or_default();
                Trouble::new(Cause::Application, format!("{message}{last}"))
            });
            WorkloadState::Pending(trouble)
        })
    }
}

fn judged(pod: &Pod, objects: &SandboxObjects) -> PodState {
    match judge(pod, &warnings::of_pod(pod, objects)) {
        PodState::Hopeless(trouble) if warnings::came_late(&trouble, objects) => {
            let message = format!("when it was last tried, {}", trouble.message);
            PodState::Waiting(Trouble::new(Cause::Application, message))
        }
        state => state,
    }
}

fn hopeless(state: &PodState) -> Option<Trouble> {
    match state {
        PodState::Hopeless(trouble) => Some(trouble.clone()),
        _ => None,
    }
}

fn newest_ready(pods: &[PodState]) -> Option<Timestamp> {
    pods.iter()
        .filter_map(|p| {
            if let PodState::Ready(since) = p {
                *since
            } else {
                None
            }
        })
        .max()
}

/// Why a controller may not make its pods, when that is for good.
fn refused(message: &str) -> Option<Trouble> {
    let says = |word: &str| message.contains(word);
    if says("exceeded quota") || says("must specify limits") || says("must specify requests") {
        return Some(Trouble::new(
            Cause::Sandbox,
            format!("the sandbox quota is too small: {message}"),
        ));
    }
    if says("maximum cpu usage") || says("maximum memory usage") || says("must be less than or equal to") {
        return Some(Trouble::new(
            Cause::Sandbox,
            format!("the sandbox limits do not allow it: {message}"),
        ));
    }
    if says("violates PodSecurity") || says("denied the request") || says("denied request") {
        return Some(Trouble::new(
            Cause::Sandbox,
            format!("admission refuses it: {message}"),
        ));
    }
    // The API server's word for all that refuses, such as OpenShift's security context constraints.
    missing_object(message).or_else(|| {
        let why = format!("the cluster refuses it: {message}");
        says("is forbidden:").then(|| Trouble::new(Cause::Sandbox, why))
    })
}

/// A webhook that does not answer may answer again: the controller goes on trying.
fn unanswered(failures: &[String]) -> Option<Trouble> {
    let failure = failures
        .iter()
        .rev()
        .find(|f| f.contains("failed calling webhook"))?;
    let message = format!("its pods cannot be made: {failure}");
    Some(Trouble::new(Cause::Sandbox, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(replicas: i32, status: &serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "web", "generation": 1 },
            "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
                      "template": { "metadata": {}, "spec": { "containers": [] } } },
            "status": status,
        }))
        .unwrap()
    }

    fn pod(name: &str, status: &serde_json::Value) -> Pod {
        serde_json::from_value(
            json!({ "metadata": { "name": name, "labels": { "app": "web" } }, "status": status }),
        )
        .unwrap()
    }

    fn ready_at(time: &str) -> serde_json::Value {
        json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": time }] })
    }

    fn crashing() -> serde_json::Value {
        json!({ "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "", "ready": false, "restartCount": 5,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 1, "startedAt": "2026-01-01T00:00:09Z" } } }] })
    }

    fn only(objects: &SandboxObjects) -> Workload {
        let mut all = assess("shop", objects);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn a_deployment_is_ready_when_its_own_status_says_so() {
        let mut objects = SandboxObjects {
            deployments: vec![deployment(
                1,
                &json!({ "observedGeneration": 1, "readyReplicas": 1 }),
            )],
            pods: vec![pod("web-1", &ready_at("2026-01-01T00:00:05Z"))],
            ..Default::default()
        };
        let workload = only(&objects);
        assert_eq!(
            workload.ready_since(),
            Some("2026-01-01T00:00:05Z".parse().unwrap())
        );
        objects.deployments = vec![deployment(1, &json!({ "readyReplicas": 1 }))];
        assert!(
            !only(&objects).is_ready(),
            "a status nobody has renewed since the restore says nothing"
        );
        objects.deployments = vec![deployment(
            2,
            &json!({ "observedGeneration": 1, "readyReplicas": 1 }),
        )];
        assert!(!only(&objects).is_ready());
    }

    #[test]
    fn a_pod_that_has_just_crashed_is_not_ready_whatever_its_controller_still_says() {
        let objects = SandboxObjects {
            deployments: vec![deployment(
                1,
                &json!({ "observedGeneration": 1, "readyReplicas": 1 }),
            )],
            pods: vec![pod(
                "web-1",
                &json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "False" }] }),
            )],
            ..Default::default()
        };
        assert!(!only(&objects).is_ready());
    }

    #[test]
    fn a_pod_that_failed_is_for_its_controller_to_replace_and_final_without_one() {
        let failed = pod("web-1", &json!({ "phase": "Failed", "message": "evicted" }));
        let mut objects = SandboxObjects {
            deployments: vec![deployment(1, &json!({ "observedGeneration": 1 }))],
            pods: vec![failed],
            ..Default::default()
        };
        assert!(matches!(only(&objects).state, WorkloadState::Pending(_)));
        objects.deployments.clear();
        assert!(matches!(only(&objects).state, WorkloadState::Crashed(_)));
    }

    #[test]
    fn a_rollout_that_hangs_is_not_ready_though_an_old_pod_is() {
        let status =
            json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1 });
        let objects = SandboxObjects {
            deployments: vec![deployment(1, &status)],
            ..Default::default()
        };
        assert!(!only(&objects).is_ready());
    }

    #[test]
    fn zero_replicas_and_completed_pods_are_fine() {
        let zero = SandboxObjects {
            deployments: vec![deployment(0, &json!({ "observedGeneration": 1 }))],
            ..Default::default()
        };
        assert!(only(&zero).is_ready());
        let done = SandboxObjects {
            pods: vec![pod("once", &json!({ "phase": "Succeeded" }))],
            ..Default::default()
        };
        assert!(only(&done).is_ready());
    }

    #[test]
    fn what_the_cluster_refuses_ends_the_wait_and_is_the_sandbox() {
        for why in [
            "exceeded quota: sandbox-quota",
            "unable to validate against any security context constraint: [provider restricted: forbidden]",
        ] {
            let status = json!({ "observedGeneration": 1, "conditions": [{ "type": "ReplicaFailure", "status": "True",
                "message": format!("pods \"web-1\" is forbidden: {why}") }] });
            let objects = SandboxObjects {
                deployments: vec![deployment(1, &status)],
                ..Default::default()
            };
            let WorkloadState::Hopeless(trouble) = only(&objects).state else {
                panic!("not hopeless: {why}")
            };
            assert_eq!(trouble.cause, Cause::Sandbox, "{why}");
        }
    }

    #[test]
    fn a_replication_controller_that_can_make_no_pod_is_found_and_one_of_earlier_times_is_not_looked_at() {
        let of = |name: &str, replicas: i32| {
            serde_json::from_value(json!({
                "metadata": { "name": name, "generation": 1 },
                "spec": { "replicas": replicas, "selector": { "app": name } },
                "status": { "replicas": 0, "observedGeneration": 1, "conditions": [{ "type": "ReplicaFailure",
                    "status": "True", "message": "pods \"legacy-1\" is forbidden: exceeded quota: sandbox-quota" }] },
            }))
            .unwrap()
        };
        let objects = SandboxObjects {
            replication_controllers: vec![of("legacy-1", 0), of("legacy-2", 1)],
            ..Default::default()
        };
        let workload = only(&objects);
        assert_eq!(workload.object, "ReplicationController/legacy-2");
        assert!(matches!(workload.state, WorkloadState::Hopeless(_)));
    }

    #[test]
    fn a_webhook_that_does_not_answer_is_the_sandbox_and_may_answer_again() {
        let status = json!({ "observedGeneration": 1, "conditions": [{ "type": "ReplicaFailure", "status": "True",
            "message": "Internal error occurred: failed calling webhook \"x.example.com\": EOF" }] });
        let objects = SandboxObjects {
            deployments: vec![deployment(1, &status)],
            ..Default::default()
        };
        let WorkloadState::Pending(trouble) = only(&objects).state else {
            panic!("not pending")
        };
        assert_eq!(trouble.cause, Cause::Sandbox);
    }

    #[test]
    fn pods_that_may_come_tell_more_than_those_that_are_gone() {
        let mut objects = SandboxObjects {
            deployments: vec![deployment(2, &json!({ "observedGeneration": 1 }))],
            pods: vec![
                pod("web-1", &json!({ "phase": "Failed", "message": "lost" })),
                pod("web-2", &crashing()),
            ],
            ..Default::default()
        };
        assert!(matches!(only(&objects).state, WorkloadState::Crashing { .. }));
        objects.pods.push(pod("web-3", &json!({ "phase": "Pending" })));
        assert!(matches!(only(&objects).state, WorkloadState::Pending(_)));
    }

    #[test]
    fn a_pod_that_a_controller_selects_is_not_a_workload_of_its_own() {
        let objects = SandboxObjects {
            deployments: vec![deployment(1, &json!({}))],
            pods: vec![pod("web-1", &json!({ "phase": "Pending" }))],
            ..Default::default()
        };
        assert_eq!(only(&objects).object, "Deployment/web");
    }

    fn replica_set(replicas: i32, owner: &str) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": format!("{owner}-{replicas}"), "generation": 1, "labels": { "app": "web" },
                          "ownerReferences": [{ "apiVersion": "argoproj.io/v1alpha1", "kind": owner, "name": "web",
                                                "uid": "1", "controller": true }] },
            "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } } },
            "status": { "replicas": replicas, "observedGeneration": 1 },
        }))
        .unwrap()
    }

    #[test]
    fn a_replica_set_of_another_product_is_judged_and_those_of_earlier_times_are_not() {
        let objects = SandboxObjects {
            deployments: vec![deployment(0, &json!({ "observedGeneration": 1 }))],
            replica_sets: vec![replica_set(1, "Rollout"), replica_set(0, "Rollout")],
            ..Default::default()
        };
        let all = assess("shop", &objects);
        let seen: Vec<_> = all.iter().map(|w| (w.object.as_str(), w.is_ready())).collect();
        assert_eq!(seen, [("Deployment/web", true), ("ReplicaSet/Rollout-1", false)]);
    }

    #[test]
    fn a_dead_pod_of_an_unknown_controller_is_found() {
        let mut dead = pod("web-1", &crashing());
        dead.metadata.owner_references = replica_set(1, "Cluster").metadata.owner_references;
        let objects = SandboxObjects {
            pods: vec![dead],
            ..Default::default()
        };
        assert!(matches!(only(&objects).state, WorkloadState::Crashing { .. }));
    }

    #[test]
    fn a_refusal_that_is_over_ends_no_wait() {
        let quota: Event = serde_json::from_value(json!({
            "metadata": { "name": "e" }, "involvedObject": { "kind": "Deployment", "name": "web" },
            "message": "exceeded quota: small", "lastTimestamp": "2026-01-01T00:00:10Z" }))
        .unwrap();
        let mut objects = SandboxObjects {
            deployments: vec![deployment(1, &json!({ "observedGeneration": 1 }))],
            warnings: vec![quota],
            ..Default::default()
        };
        assert!(matches!(only(&objects).state, WorkloadState::Hopeless(_)));
        let mut made = pod("web-1", &json!({ "phase": "Pending" }));
        let time = serde_json::from_value(json!("2026-01-01T00:00:11Z"));
        made.metadata.creation_timestamp = time.ok();
        objects.pods = vec![made];
        assert!(matches!(only(&objects).state, WorkloadState::Pending(_)));
    }

    #[test]
    fn settings_that_came_late_are_waited_for() {
        let waiting = pod(
            "web-1",
            &json!({ "phase": "Pending", "containerStatuses": [{
                "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": {
                    "reason": "CreateContainerConfigError", "message": "configmap \"page\" not found" } } }] }),
        );
        let mut objects = SandboxObjects {
            pods: vec![waiting],
            ..Default::default()
        };
        assert!(matches!(only(&objects).state, WorkloadState::Hopeless(_)));
        let page = json!({ "metadata": { "name": "page" } });
        objects.config_maps = vec![serde_json::from_value(page).unwrap()];
        assert!(matches!(only(&objects).state, WorkloadState::Pending(_)));
    }
}
