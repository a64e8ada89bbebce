//! From the objects of one sandbox to its workloads: a pure function.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::CronJob,
    core::v1::{ConfigMap, Event, Pod, ReplicationController, Service, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kymaros_crds::Cause;

use super::{
    Trouble, Workload, WorkloadState, alone,
    controllers::{Controller, controllers},
    homes::{Home, home},
    pods::{PodState, awaits_data, claims, judge, missing_object, most_restarts, outlives, restarts},
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
    /// Cron jobs, which are suspended there and may name other namespaces.
    pub cron_jobs: Vec<CronJob>,
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
            most_restarts: own.iter().map(|pod| most_restarts(pod)).max().unwrap_or(0),
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
