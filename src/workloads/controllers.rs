//! The controllers of a sandbox, with what the four kinds of them have in common.

use k8s_openapi::{
    api::{apps::v1::DeploymentStatus, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

use super::assess::SandboxObjects;

/// What the four kinds of controllers have in common.
pub(super) struct Controller {
    pub kind: &'static str,
    pub name: String,
    selector: Option<Selector>,
    pub wanted: i32,
    pub ready: i32,
    /// Whether its status speaks of its current spec, and no pod of an older one is still there: a rollout that hangs
    /// keeps the old pods running and ready.
    pub current: bool,
    /// Why it cannot make pods, in its own words.
    pub failure: Option<String>,
}

pub(super) fn controllers(objects: &SandboxObjects) -> Vec<Controller> {
    let mut all = Vec::new();
    for d in &objects.deployments {
        let (spec, status) = (d.spec.as_ref(), d.status.as_ref());
        let conditions = status.and_then(|s| s.conditions.as_ref());
        let failure = conditions
            .into_iter()
            .flatten()
            .find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
        all.push(Controller {
            kind: "Deployment",
            name: d.name_any(),
            selector: selector(spec.map(|s| &s.selector)),
            wanted: spec.and_then(|s| s.replicas).unwrap_or(1),
            ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
            current: is_current(d.metadata.generation, status.and_then(|s| s.observed_generation))
                && is_rolled_out(status),
            failure: failure.and_then(|c| c.message.clone()),
        });
    }
    for s in &objects.stateful_sets {
        let (spec, status) = (s.spec.as_ref(), s.status.as_ref());
        all.push(Controller {
            kind: "StatefulSet",
            name: s.name_any(),
            selector: selector(spec.map(|s| &s.selector)),
            wanted: spec.and_then(|s| s.replicas).unwrap_or(1),
            ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
            current: is_current(s.metadata.generation, status.and_then(|s| s.observed_generation)),
            failure: None,
        });
    }
    for d in &objects.daemon_sets {
        let status = d.status.as_ref();
        all.push(Controller {
            kind: "DaemonSet",
            name: d.name_any(),
            selector: selector(d.spec.as_ref().map(|s| &s.selector)),
            wanted: status.map_or(0, |s| s.desired_number_scheduled),
            ready: status.map_or(0, |s| s.number_ready),
            current: is_current(d.metadata.generation, status.and_then(|s| s.observed_generation)),
            failure: None,
        });
    }
    // A ReplicaSet of a Deployment is the Deployment's business; owner references are gone after a restore, until the
    // Deployment adopts it by its selector.
    let deployments: Vec<Selector> = all
        .iter()
        .filter(|c| c.kind == "Deployment")
        .filter_map(|c| c.selector.clone())
        .collect();
    for r in &objects.replica_sets {
        let has_owner = r.owner_references().iter().any(|o| o.controller == Some(true));
        if has_owner || deployments.iter().any(|s| s.matches(r.labels())) {
            continue;
        }
        let (spec, status) = (r.spec.as_ref(), r.status.as_ref());
        all.push(Controller {
            kind: "ReplicaSet",
            name: r.name_any(),
            selector: selector(spec.map(|s| &s.selector)),
            wanted: spec.and_then(|s| s.replicas).unwrap_or(1),
            ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
            current: is_current(r.metadata.generation, status.and_then(|s| s.observed_generation)),
            failure: None,
        });
    }
    all
}

/// As `kubectl rollout status` sees it: every pod is of the newest template.
fn is_rolled_out(status: Option<&DeploymentStatus>) -> bool {
    status.is_none_or(|s| s.replicas.unwrap_or(0) == s.updated_replicas.unwrap_or(0))
}

/// Without an observed generation the controller has not yet looked at the restored object.
fn is_current(generation: Option<i64>, observed: Option<i64>) -> bool {
    observed.is_some_and(|o| generation.is_none_or(|g| o >= g))
}

fn selector(selector: Option<&LabelSelector>) -> Option<Selector> {
    let selector = selector?.clone();
    let parsed: Selector = selector.try_into().ok()?;
    Some(parsed)
}

impl Controller {
    /// Whether a pod is one of its own.
    pub fn selects(&self, pod: &Pod) -> bool {
        self.selector.as_ref().is_some_and(|s| s.matches(pod.labels()))
    }

    /// `Kind/name`.
    pub fn object(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}
