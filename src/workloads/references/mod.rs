//! References of restored workloads to Services of other namespaces: in environment, arguments and commands, in
//! `ConfigMap`s, and in Services that are only another name.

mod names;

use std::{collections::BTreeSet, fmt};

use k8s_openapi::api::core::v1::PodSpec;
use kube::ResourceExt;

pub(super) use self::names::services;
pub use self::names::{Form, Name};
use super::{
    assess::SandboxObjects,
    specs::{config_maps, may_ask_for, pod_specs, texts},
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

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
