//! What the specs of a sandbox's pods say, whoever makes the pods.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use kube::ResourceExt;

use super::{
    assess::SandboxObjects,
    homes::{is_foreign, owner},
};

/// What runs pods, each as `Kind/name`, with the spec of its pods; pods that a known controller makes are its own.
pub(super) fn pod_specs(objects: &SandboxObjects) -> Vec<(String, &PodSpec)> {
    let mut specs = Vec::new();
    for d in &objects.deployments {
        let spec = d.spec.as_ref().and_then(|s| s.template.spec.as_ref());
        specs.extend(spec.map(|spec| (format!("Deployment/{}", d.name_any()), spec)));
    }
    for s in &objects.stateful_sets {
        let spec = s.spec.as_ref().and_then(|s| s.template.spec.as_ref());
        specs.extend(spec.map(|spec| (format!("StatefulSet/{}", s.name_any()), spec)));
    }
    for d in &objects.daemon_sets {
        let spec = d.spec.as_ref().and_then(|s| s.template.spec.as_ref());
        specs.extend(spec.map(|spec| (format!("DaemonSet/{}", d.name_any()), spec)));
    }
    let sets = objects
        .replica_sets
        .iter()
        .filter(|r| owner(*r).is_none_or(is_foreign));
    for r in sets {
        let spec = r.spec.as_ref().filter(|s| s.replicas != Some(0));
        let spec = spec.and_then(|s| s.template.as_ref()?.spec.as_ref());
        specs.extend(spec.map(|spec| (format!("ReplicaSet/{}", r.name_any()), spec)));
    }
    for r in &objects.replication_controllers {
        let spec = r.spec.as_ref().filter(|s| s.replicas != Some(0));
        let spec = spec.and_then(|s| s.template.as_ref()?.spec.as_ref());
        specs.extend(spec.map(|spec| (format!("ReplicationController/{}", r.name_any()), spec)));
    }
    let bare = objects.pods.iter().filter(|p| owner(*p).is_none_or(is_foreign));
    for pod in bare {
        specs.extend(
            pod.spec
                .as_ref()
                .map(|spec| (format!("Pod/{}", pod.name_any()), spec)),
        );
    }
    specs
}

/// The `ConfigMap`s that a pod is given, as files or as its environment.
pub(super) fn config_maps(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let files = spec.volumes.iter().flatten().flat_map(|volume| {
        let whole = volume.config_map.iter().map(|of| of.name.as_str());
        let sources = volume.projected.iter().flat_map(|of| of.sources.iter().flatten());
        whole.chain(sources.filter_map(|of| Some(of.config_map.as_ref()?.name.as_str())))
    });
    let environment = containers(spec).flat_map(|container| {
        let entries = container.env.iter().flatten();
        let entries =
            entries.filter_map(|e| Some(e.value_from.as_ref()?.config_map_key_ref.as_ref()?.name.as_str()));
        let whole = container.env_from.iter().flatten();
        entries.chain(whole.filter_map(|e| Some(e.config_map_ref.as_ref()?.name.as_str())))
    });
    files.chain(environment)
}

/// The containers of a pod, and those that start first.
pub(super) fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
}

pub(super) fn texts(spec: &PodSpec) -> impl Iterator<Item = &str> {
    containers(spec).flat_map(container_texts)
}

fn container_texts(container: &Container) -> impl Iterator<Item = &str> {
    let env = container.env.iter().flatten().filter_map(|e| e.value.as_deref());
    let args = container
        .args
        .iter()
        .chain(container.command.iter())
        .flatten()
        .map(String::as_str);
    env.chain(args)
}

/// Whether a pod may ask for a Service of its own namespace: a text that it is given has the Service's name as a word, or
/// part of its environment comes from elsewhere, and that is not read for words.
pub(super) fn may_ask_for(spec: &PodSpec, service: &str) -> bool {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let names = |text: &str| text.split(|c| !is_in_name(c)).any(|word| word == service);
    let is_told_more = containers(spec).any(|container| {
        let mut variables = container.env.iter().flatten();
        container.env_from.iter().flatten().next().is_some()
            || variables.any(|variable| {
                let from = variable.value_from.as_ref();
                from.is_some_and(|from| from.config_map_key_ref.is_some() || from.secret_key_ref.is_some())
            })
    });
    is_told_more || texts(spec).any(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn what_an_unknown_controller_makes_is_looked_at_and_pods_of_known_ones_are_not() {
        let owned = |api_version: &str, kind: &str| json!([{ "apiVersion": api_version, "kind": kind, "name": "o", "uid": "1", "controller": true }]);
        let pod = |name: &str, owners: serde_json::Value| {
            from_value(
                json!({ "metadata": { "name": name, "ownerReferences": owners }, "spec": { "containers": [
                { "name": "a", "command": ["db.other.svc"] }] } }),
            )
            .unwrap()
        };
        let set = |replicas: i32| {
            from_value(json!({
                "metadata": { "name": format!("r-{replicas}"), "ownerReferences": owned("argoproj.io/v1alpha1", "Rollout") },
                "spec": { "replicas": replicas, "selector": {}, "template": { "spec": { "containers": [
                    { "name": "a", "command": ["db.other.svc"] }] } } } }))
            .unwrap()
        };
        let controller = |replicas: i32| {
            from_value(json!({
                "metadata": { "name": format!("c-{replicas}") },
                "spec": { "replicas": replicas, "template": { "spec": { "containers": [
                    { "name": "a", "command": ["db.other.svc"] }] } } } }))
            .unwrap()
        };
        let alone = from_value(json!({
            "metadata": { "name": "alone" },
            "spec": { "selector": {}, "template": { "spec": { "containers": [
                { "name": "a", "command": ["db.other.svc"] }] } } } }))
        .unwrap();
        let objects = SandboxObjects {
            pods: vec![
                pod("kafka", owned("core.strimzi.io/v1", "StrimziPodSet")),
                pod("rc", owned("v1", "ReplicationController")),
                pod("job", owned("batch/v1", "Job")),
                pod("web", owned("apps/v1", "ReplicaSet")),
            ],
            replica_sets: vec![set(0), set(1), alone],
            replication_controllers: vec![controller(0), controller(1)],
            ..Default::default()
        };
        let specs = pod_specs(&objects);
        let found: Vec<&str> = specs.iter().map(|(workload, _)| workload.as_str()).collect();
        assert_eq!(
            found,
            [
                "ReplicaSet/r-1",
                "ReplicaSet/alone",
                "ReplicationController/c-1",
                "Pod/kafka"
            ]
        );
    }
}
