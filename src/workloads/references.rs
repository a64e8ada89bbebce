//! References of restored workloads to Services of other namespaces: in environment, arguments and commands, in
//! `ConfigMap`s, and in Services that are only another name.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec};
use kube::ResourceExt;
use regex::Regex;

use super::{
    assess::SandboxObjects,
    homes::{is_foreign, owner},
    outside,
};

/// Something restored that names a Service of another namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `Kind/name` of what names it.
    pub from: String,
    /// The Service.
    pub service: String,
    /// The namespace it names.
    pub namespace: String,
    /// How sure it is that this is a Service.
    pub form: Form,
    /// The workloads that are given it, as `Kind/name`, where a `ConfigMap` or a Service names it.
    pub used_by: BTreeSet<String>,
}

impl Reference {
    /// Whether a workload may need it; without one, whether any may, or a check. What is suspended needs nothing.
    #[must_use]
    pub fn may_concern(&self, workload: Option<&str>) -> bool {
        match self.from.split_once('/') {
            Some(("CronJob", _)) => false,
            Some((from @ ("ConfigMap" | "Service"), _)) => match workload {
                Some(workload) => self.used_by.contains(workload),
                None => from == "Service" || !self.used_by.is_empty(),
            },
            _ => workload.is_none_or(|workload| workload == self.from),
        }
    }
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `service.namespace.svc`, with or without the cluster's domain.
    Qualified,
    /// `service.namespace`: a Service only if there is such a namespace.
    Short,
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
        spec.map(|spec| (format!("CronJob/{}", c.name_any()), spec))
    });
    for (from, spec) in workloads.iter().cloned().chain(suspended) {
        for text in texts(spec) {
            found.extend(services(&from, text));
        }
    }
    for map in &objects.config_maps {
        let name = map.name_any();
        let from = format!("ConfigMap/{name}");
        let texts = map.data.iter().flat_map(|data| data.values());
        let named: BTreeSet<Reference> = texts.flat_map(|text| services(&from, text)).collect();
        found.extend(used(named, &workloads, |spec| {
            config_maps(spec).any(|used| used == name)
        }));
    }
    for service in &objects.services {
        let name = service.name_any();
        let of = service.spec.as_ref().and_then(|s| s.external_name.as_deref());
        let named = of.map(|of| services(&format!("Service/{name}"), of));
        found.extend(used(named.unwrap_or_default(), &workloads, |spec| {
            may_ask_for(spec, &name)
        }));
    }
    found
}

/// With the workloads that use what names them.
fn used(
    mut named: BTreeSet<Reference>,
    workloads: &[(String, &PodSpec)],
    is_used_by: impl Fn(&PodSpec) -> bool,
) -> Vec<Reference> {
    let Some(first) = named.pop_first() else {
        return Vec::new();
    };
    let users = workloads.iter().filter(|(_, spec)| is_used_by(spec));
    let used_by: BTreeSet<String> = users.map(|(workload, _)| workload.clone()).collect();
    let all = std::iter::once(first).chain(named);
    all.map(|reference| Reference {
        used_by: used_by.clone(),
        ..reference
    })
    .collect()
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
        let services = services("", text).into_iter().map(|r| match r.form {
            Form::Qualified => format!("{}.{}.svc", r.service, r.namespace),
            Form::Short => format!("{}.{}:0", r.service, r.namespace),
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

/// Names of Services in a text. The short form counts only where a host name is expected: after `://` or `@`, before a
/// port, or as the whole text.
fn services(from: &str, text: &str) -> BTreeSet<Reference> {
    const LABEL: &str = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";
    static QUALIFIED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!(r"\b({LABEL})\.({LABEL})\.svc\b")).ok());
    static SHORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&format!(
            r#"(?:(?:\bdns:///|://)(?:[^\s/@]*@)?({LABEL})\.({LABEL})(?:[:/\s"';,)]|\]|$))|(?:(?:^|[\s=@,"';(\[])({LABEL})\.({LABEL}):\d)|(?:^({LABEL})\.({LABEL})$)"#
        ))
        .ok()
    });
    let find = |regex: &'static LazyLock<Option<Regex>>, form: Form| {
        let found = regex.as_ref().map(|r| r.captures_iter(text));
        found.into_iter().flatten().filter_map(move |captures| {
            let mut parts = captures.iter().skip(1).flatten();
            Some(Reference {
                from: from.to_owned(),
                service: parts.next()?.as_str().to_owned(),
                namespace: parts.next()?.as_str().to_owned(),
                form,
                used_by: BTreeSet::new(),
            })
        })
    };
    find(&QUALIFIED, Form::Qualified)
        .chain(find(&SHORT, Form::Short))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn named(text: &str) -> Vec<(String, String, Form)> {
        services("x", text)
            .into_iter()
            .map(|r| (r.service, r.namespace, r.form))
            .collect()
    }

    fn one(service: &str, namespace: &str, form: Form) -> Vec<(String, String, Form)> {
        vec![(service.into(), namespace.into(), form)]
    }

    #[test]
    fn every_form_of_a_name_is_found() {
        for text in [
            "db.data.svc",
            "postgres://db.data.svc.cluster.local:5432/x",
            "a=db.data.svc.example.org",
        ] {
            assert_eq!(named(text), one("db", "data", Form::Qualified), "{text}");
        }
        for text in [
            "db.data",
            "http://db.data",
            "http://db.data/x",
            "http://u:p@db.data:80",
            "host=db.data:5432",
            r#"{"url":"http://db.data"}"#,
            r#"{"host": "db.data:5432"}"#,
            "['db.data:9092']",
            "dns:///db.data:50051",
        ] {
            assert_eq!(named(text), one("db", "data", Form::Short), "{text}");
        }
        for text in [
            "www.example.com",
            "http://www.example.com",
            "use db.data for it",
            "v1.2.3",
            "db.svcs data",
        ] {
            assert_eq!(named(text), vec![], "{text}");
        }
    }

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
        let found: Vec<(String, Form)> = find(&objects).into_iter().map(|r| (r.service, r.form)).collect();
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
        let users: Vec<&str> = found[0].used_by.iter().map(String::as_str).collect();
        assert_eq!(users, ["Pod/file", "Pod/key", "Pod/projected", "Pod/whole"]);
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
        let found: Vec<String> = find(&objects).into_iter().map(|r| r.from).collect();
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
        let found: Vec<(String, String)> = find(&objects).into_iter().map(|r| (r.from, r.service)).collect();
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
