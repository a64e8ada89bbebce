//! The controllers of a sandbox, with what the five kinds of them have in common.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{DeploymentSpec, DeploymentStatus, ReplicaSet},
        core::v1::ReplicationController,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference},
};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

use super::{
    assess::SandboxObjects,
    homes::{is_foreign, owner},
};

/// What the five kinds of controllers have in common.
pub(super) struct Controller {
    pub kind: &'static str,
    pub name: String,
    /// The replica sets of a Deployment, which answers for them.
    pub sets: Vec<String>,
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
            sets: Vec::new(),
            selector: selector(spec.map(|s| &s.selector)),
            wanted: spec.and_then(|s| s.replicas).unwrap_or(1),
            ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
            current: is_current(d.metadata.generation, status.and_then(|s| s.observed_generation))
                && (is_paused(spec) || is_rolled_out(status)),
            failure: failure.and_then(|c| c.message.clone()),
        });
    }
    for s in &objects.stateful_sets {
        let (spec, status) = (s.spec.as_ref(), s.status.as_ref());
        all.push(Controller {
            kind: "StatefulSet",
            name: s.name_any(),
            sets: Vec::new(),
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
            sets: Vec::new(),
            selector: selector(d.spec.as_ref().map(|s| &s.selector)),
            wanted: status.map_or(0, |s| s.desired_number_scheduled),
            ready: status.map_or(0, |s| s.number_ready),
            current: is_current(d.metadata.generation, status.and_then(|s| s.observed_generation)),
            failure: None,
        });
    }
    for r in &objects.replica_sets {
        if let Some(deployment) = deployment_of(r, &all).and_then(|place| all.get_mut(place)) {
            deployment.sets.push(r.name_any());
            continue;
        }
        // Other products keep those of earlier times as Deployments do.
        let wanted = r.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        if wanted == 0 {
            continue;
        }
        let (spec, status) = (r.spec.as_ref(), r.status.as_ref());
        all.push(Controller {
            kind: "ReplicaSet",
            name: r.name_any(),
            sets: Vec::new(),
            selector: selector(spec.map(|s| &s.selector)),
            wanted,
            ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
            current: is_current(r.metadata.generation, status.and_then(|s| s.observed_generation)),
            failure: None,
        });
    }
    all.extend(objects.replication_controllers.iter().filter_map(of_old_kind));
    all
}

/// Kept at zero by a `DeploymentConfig` of `OpenShift`, for those of earlier times.
fn of_old_kind(controller: &ReplicationController) -> Option<Controller> {
    let (spec, status) = (controller.spec.as_ref(), controller.status.as_ref());
    let wanted = spec.and_then(|s| s.replicas).unwrap_or(1);
    let failure = status
        .and_then(|s| s.conditions.as_ref())
        .into_iter()
        .flatten()
        .find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    let labels = spec.and_then(|s| s.selector.clone()).map(|labels| LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    });
    let observed = status.and_then(|s| s.observed_generation);
    (wanted > 0).then(|| Controller {
        kind: "ReplicationController",
        name: controller.name_any(),
        sets: Vec::new(),
        selector: selector(labels.as_ref()),
        wanted,
        ready: status.and_then(|s| s.ready_replicas).unwrap_or(0),
        current: is_current(controller.metadata.generation, observed),
        failure: failure.and_then(|c| c.message.clone()),
    })
}

/// The Deployment that a replica set belongs to. Owner references are gone after a restore, until the Deployment adopts it
/// by its selector; one with an owner of another product is that product's.
fn deployment_of(set: &ReplicaSet, all: &[Controller]) -> Option<usize> {
    let owner = owner(set);
    if owner.is_some_and(is_foreign) {
        return None;
    }
    let place =
        |which: &dyn Fn(&Controller) -> bool| all.iter().position(|c| c.kind == "Deployment" && which(c));
    owner
        .and_then(|owner| place(&|c| c.is(owner)))
        .or_else(|| place(&|c| c.selects(set.labels())))
}

/// What is paused in the source is so in the sandbox, with the pods that it has.
fn is_paused(spec: Option<&DeploymentSpec>) -> bool {
    spec.is_some_and(|s| s.paused == Some(true))
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
    /// Whether it adopts what has these labels and no owner.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.as_ref().is_some_and(|s| s.matches(labels))
    }

    /// Whether an owner that is followed is this one, or a replica set of it.
    pub fn is(&self, owner: &OwnerReference) -> bool {
        let itself = owner.kind == self.kind && owner.name == self.name;
        itself || (owner.kind == "ReplicaSet" && self.sets.contains(&owner.name))
    }

    /// `Kind/name`.
    pub fn object(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}
