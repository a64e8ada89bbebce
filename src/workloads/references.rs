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
    for (from, spec) in pod_specs(objects) {
        for text in texts(spec) {
            found.extend(services(&from, text));
        }
    }
    for map in &objects.config_maps {
        let from = format!("ConfigMap/{}", map.name_any());
        for text in map.data.iter().flat_map(|data| data.values()) {
            found.extend(services(&from, text));
        }
    }
    for service in &objects.services {
        let from = format!("Service/{}", service.name_any());
        let name = service.spec.as_ref().and_then(|s| s.external_name.as_deref());
        found.extend(name.into_iter().flat_map(|name| services(&from, name)));
    }
    found
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
        .filter(|r| owner(*r).is_some_and(is_foreign));
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
            r#"(?:://(?:[^\s/@]*@)?({LABEL})\.({LABEL})(?:[:/\s"';,)]|\]|$))|(?:(?:^|[\s=@,"';(\[])({LABEL})\.({LABEL}):\d)|(?:^({LABEL})\.({LABEL})$)"#
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
        let objects = SandboxObjects {
            pods: vec![
                pod("kafka", owned("core.strimzi.io/v1", "StrimziPodSet")),
                pod("rc", owned("v1", "ReplicationController")),
                pod("job", owned("batch/v1", "Job")),
                pod("web", owned("apps/v1", "ReplicaSet")),
            ],
            replica_sets: vec![set(0), set(1)],
            replication_controllers: vec![controller(0), controller(1)],
            ..Default::default()
        };
        let found: Vec<String> = find(&objects).into_iter().map(|r| r.from).collect();
        assert_eq!(
            found,
            ["Pod/kafka", "ReplicaSet/r-1", "ReplicationController/c-1"]
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
            ..Default::default()
        };
        let found: Vec<(String, String)> = find(&objects).into_iter().map(|r| (r.from, r.service)).collect();
        for (from, service) in [
            ("Deployment/web", "env"),
            ("Deployment/web", "args"),
            ("Pod/p", "command"),
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
