//! References of restored workloads to Services of other namespaces: in environment, arguments and commands, in
//! `ConfigMap`s, and in Services that are only another name.

mod names;

use std::{collections::BTreeSet, fmt};

use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec};
use kube::ResourceExt;

use self::names::services;
pub use self::names::{Form, Name};
use super::{
    assess::SandboxObjects,
    homes::{is_foreign, owner},
    outside,
};

/// A Service of another namespace that something restored names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What names it.
    pub by: Namer,
    /// The Service.
    pub to: Name,
}

/// What names a Service; shown as `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namer {
    /// A workload, as `Kind/name`, in its own spec.
    Workload(String),
    /// A `CronJob` by its name: it is suspended, and needs nothing in a sandbox.
    CronJob(String),
    /// A `ConfigMap`.
    ConfigMap {
        /// Its name.
        name: String,
        /// The workloads that are given it, as `Kind/name`.
        users: BTreeSet<String>,
    },
    /// A Service that is another name of the one it names.
    Alias {
        /// Its name.
        name: String,
        /// The workloads that may ask for it, as `Kind/name`.
        users: BTreeSet<String>,
    },
}

impl fmt::Display for Namer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(workload) => f.write_str(workload),
            Self::CronJob(name) => write!(f, "CronJob/{name}"),
            Self::ConfigMap { name, .. } => write!(f, "ConfigMap/{name}"),
            Self::Alias { name, .. } => write!(f, "Service/{name}"),
        }
    }
}

impl Namer {
    /// Whether a workload may need what is named.
    #[must_use]
    pub fn may_concern(&self, workload: &str) -> bool {
        match self {
            Self::Workload(of) => of == workload,
            Self::CronJob(_) => false,
            Self::ConfigMap { users, .. } | Self::Alias { users, .. } => users.contains(workload),
        }
    }

    /// Whether a check, which asks nobody knows which workload, may need it.
    #[must_use]
    pub fn may_concern_a_check(&self) -> bool {
        match self {
            Self::Workload(_) | Self::Alias { .. } => true,
            Self::CronJob(_) => false,
            Self::ConfigMap { users, .. } => !users.is_empty(),
        }
    }
}

/// Finds what a sandbox names in other namespaces.
#[must_use]
pub fn find(objects: &SandboxObjects) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let workloads = pod_specs(objects);
    let suspended = objects.cron_jobs.iter().filter_map(|c| {
        let spec = c
            .spec
            .as_ref()?
            .job_template
            .spec
            .as_ref()?
            .template
            .spec
            .as_ref();
        spec.map(|spec| (Namer::CronJob(c.name_any()), spec))
    });
    let working = workloads
        .iter()
        .map(|(workload, spec)| (Namer::Workload(workload.clone()), *spec));
    for (by, spec) in working.chain(suspended) {
        found.extend(references(texts(spec), || by.clone()));
    }
    for map in &objects.config_maps {
        let texts = map.data.iter().flat_map(|data| data.values());
        found.extend(references(texts.map(String::as_str), || {
            let name = map.name_any();
            let users = users(&workloads, |spec| config_maps(spec).any(|used| used == name));
            Namer::ConfigMap { name, users }
        }));
    }
    for service in &objects.services {
        let of = service.spec.as_ref().and_then(|s| s.external_name.as_deref());
        found.extend(references(of.into_iter(), || {
            let name = service.name_any();
            let users = users(&workloads, |spec| may_ask_for(spec, &name));
            Namer::Alias { name, users }
        }));
    }
    found
}

/// What some texts name; who names it is asked only where they name something.
fn references<'a>(texts: impl Iterator<Item = &'a str>, by: impl FnOnce() -> Namer) -> Vec<Reference> {
    let named: BTreeSet<Name> = texts.flat_map(services).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let by = by();
    let to = named.into_iter();
    to.map(|to| Reference { by: by.clone(), to }).collect()
}

fn users(workloads: &[(String, &PodSpec)], uses: impl Fn(&PodSpec) -> bool) -> BTreeSet<String> {
    let those = workloads.iter().filter(|(_, spec)| uses(spec));
    those.map(|(workload, _)| workload.clone()).collect()
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

/// Leaves nothing of a `ConfigMap` but the names in it that matter here: a sandbox may hold a great many, and large ones.
pub fn keep_names(map: &mut ConfigMap) {
    map.binary_data = None;
    map.managed_fields_mut().clear();
    let names = |key: &str, text: &str| {
        let services = services(text).into_iter().map(|n| match n.form {
            Form::Qualified => format!("{}.{}.svc", n.service, n.namespace),
            Form::Short => format!("{}.{}:0", n.service, n.namespace),
        });
        let hosts = outside::hosts(Some(key), text);
        let hosts = hosts.into_iter().map(|host| format!("{host}:0"));
        services.chain(hosts).collect::<Vec<_>>().join("\n")
    };
    for (key, text) in map.data.iter_mut().flatten() {
        *text = names(key, text);
    }
}

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
fn config_maps(spec: &PodSpec) -> impl Iterator<Item = &str> {
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

fn texts(spec: &PodSpec) -> impl Iterator<Item = &str> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn of_a_config_map_only_names_are_kept_and_still_found() {
        let mut map: ConfigMap = from_value(json!({ "metadata": { "name": "c" }, "data": {
            "a": "password=hunter2 url=http://db.data.svc/x", "b": "http://cache.fast:6379" } }))
        .unwrap();
        keep_names(&mut map);
        assert!(!format!("{map:?}").contains("hunter2"));
        let objects = SandboxObjects {
            config_maps: vec![map],
            ..Default::default()
        };
        let found: Vec<(String, Form)> = find(&objects)
            .into_iter()
            .map(|r| (r.to.service, r.to.form))
            .collect();
        assert_eq!(
            found,
            [("cache".into(), Form::Short), ("db".into(), Form::Qualified)]
        );
    }

    #[test]
    fn of_a_config_map_it_is_known_who_is_given_it() {
        let pod = |name: &str, of: serde_json::Value| {
            let (volumes, container) = (of["volumes"].clone(), of["container"].clone());
            from_value(json!({ "metadata": { "name": name }, "spec": { "volumes": volumes, "containers": [container] } }))
                .unwrap()
        };
        let plain = json!({ "name": "a" });
        let objects = SandboxObjects {
            pods: vec![
                pod("none", json!({ "container": plain })),
                pod(
                    "file",
                    json!({ "container": plain, "volumes": [{ "name": "v", "configMap": { "name": "c" } }] }),
                ),
                pod(
                    "projected",
                    json!({ "container": plain, "volumes": [{ "name": "v", "projected": {
                        "sources": [{ "configMap": { "name": "c" } }] } }] }),
                ),
                pod(
                    "whole",
                    json!({ "container": { "name": "a", "envFrom": [{ "configMapRef": { "name": "c" } }] } }),
                ),
                pod(
                    "key",
                    json!({ "container": { "name": "a", "env": [{ "name": "A", "valueFrom": {
                        "configMapKeyRef": { "name": "c", "key": "k" } } }] } }),
                ),
                pod(
                    "other",
                    json!({ "container": plain, "volumes": [{ "name": "v", "configMap": { "name": "d" } }] }),
                ),
            ],
            config_maps: vec![
                from_value(json!({ "metadata": { "name": "c" }, "data": { "k": "db.data.svc" } })).unwrap(),
            ],
            ..Default::default()
        };
        let found: Vec<Reference> = find(&objects).into_iter().collect();
        let users = ["Pod/file", "Pod/key", "Pod/projected", "Pod/whole"].map(str::to_owned);
        let (name, users) = ("c".to_owned(), BTreeSet::from(users));
        assert_eq!(found[0].by, Namer::ConfigMap { name, users });
    }

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
        let found: Vec<String> = find(&objects).into_iter().map(|r| r.by.to_string()).collect();
        assert_eq!(
            found,
            [
                "Pod/kafka",
                "ReplicaSet/alone",
                "ReplicaSet/r-1",
                "ReplicationController/c-1"
            ]
        );
    }

    #[test]
    fn every_place_of_a_name_is_looked_at() {
        let objects = SandboxObjects {
            deployments: vec![
                from_value(json!({ "metadata": { "name": "web" }, "spec": {
                    "selector": {}, "template": { "spec": { "containers": [
                        { "name": "a", "env": [{ "name": "A", "value": "env.other.svc" }], "args": ["args.other.svc"] }] } } } }))
                .unwrap(),
            ],
            pods: vec![
                from_value(json!({ "metadata": { "name": "p" }, "spec": { "containers": [
                    { "name": "a", "command": ["command.other.svc"] }] } }))
                .unwrap(),
            ],
            config_maps: vec![from_value(json!({ "metadata": { "name": "c" }, "data": { "k": "map.other.svc" } })).unwrap()],
            services: vec![
                from_value(json!({ "metadata": { "name": "s" }, "spec": { "externalName": "alias.other.svc.cluster.local" } }))
                    .unwrap(),
            ],
            cron_jobs: vec![
                from_value(json!({ "metadata": { "name": "dump" }, "spec": { "schedule": "0 3 * * *", "jobTemplate": {
                    "spec": { "template": { "spec": { "containers": [
                        { "name": "a", "command": ["cron.other.svc"] }] } } } } } }))
                .unwrap(),
            ],
            ..Default::default()
        };
        let found: Vec<(String, String)> = find(&objects)
            .into_iter()
            .map(|r| (r.by.to_string(), r.to.service))
            .collect();
        for (from, service) in [
            ("Deployment/web", "env"),
            ("Deployment/web", "args"),
            ("Pod/p", "command"),
            ("CronJob/dump", "cron"),
            ("ConfigMap/c", "map"),
            ("Service/s", "alias"),
        ] {
            assert!(
                found.contains(&(from.into(), service.into())),
                "{from}: {found:?}"
            );
        }
    }
}
