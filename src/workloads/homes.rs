//! Who answers for a pod.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::ResourceExt;

use super::controllers::Controller;

/// Who answers for a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Controllers of the sandbox, by their places among them.
    Controllers(Vec<usize>),
    /// Nobody who is looked at: it is a workload of its own.
    Itself,
    /// A Job, whose pods may fail, or a node that runs it by itself.
    Elsewhere,
}

/// A pod belongs to its owner once it has one. Before that, as right after a restore, whoever selects it will adopt it.
pub(super) fn home(pod: &Pod, controllers: &[Controller]) -> Home {
    let places = |which: &dyn Fn(&Controller) -> bool| -> Vec<usize> {
        let all = controllers.iter().enumerate();
        all.filter(|(_, c)| which(c)).map(|(place, _)| place).collect()
    };
    let mut found = match owner(pod) {
        Some(owner) if is_elsewhere(owner) => return Home::Elsewhere,
        Some(owner) if is_foreign(owner) => return Home::Itself,
        Some(owner) => places(&|c| c.is(owner)),
        None => Vec::new(),
    };
    if found.is_empty() {
        found = places(&|c| c.selects(pod.labels()));
    }
    if found.is_empty() {
        Home::Itself
    } else {
        Home::Controllers(found)
    }
}

/// The owner that decides what becomes of an object.
pub(super) fn owner(object: &impl ResourceExt) -> Option<&OwnerReference> {
    object
        .owner_references()
        .iter()
        .find(|o| o.controller == Some(true))
}

/// Whether an owner is of a kind that nobody here looks at: one of another product, which may be called `StatefulSet` as
/// well.
pub(super) fn is_foreign(owner: &OwnerReference) -> bool {
    const KINDS: &[&str] = &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"];
    let followed = match owner.kind.as_str() {
        "ReplicationController" => owner.api_version == "v1",
        kind => owner.api_version.starts_with("apps/") && KINDS.contains(&kind),
    };
    !followed && !is_elsewhere(owner)
}

fn is_elsewhere(owner: &OwnerReference) -> bool {
    match owner.kind.as_str() {
        "Job" => owner.api_version.starts_with("batch/"),
        "Node" => owner.api_version == "v1",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{assess::SandboxObjects, controllers::controllers};
    use serde_json::{Value, from_value, json};

    fn owned_by(api_version: &str, kind: &str, name: &str) -> Value {
        json!([{ "apiVersion": api_version, "kind": kind, "name": name, "uid": name, "controller": true }])
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "tests read better with the value in place"
    )]
    fn pod(app: &str, owners: Value) -> Pod {
        from_value(
            json!({ "metadata": { "name": "p", "labels": { "app": app }, "ownerReferences": owners } }),
        )
        .unwrap()
    }

    /// A Deployment with its replica set, and a replica set of a Rollout that carries the Deployment's labels.
    fn sandbox() -> SandboxObjects {
        let selector = json!({ "matchLabels": { "app": "web" } });
        let set = |name: &str, owners: Value| {
            from_value(
                json!({ "metadata": { "name": name, "labels": { "app": "web" }, "ownerReferences": owners },
                               "spec": { "replicas": 1, "selector": selector } }),
            )
            .unwrap()
        };
        SandboxObjects {
            deployments: vec![
                from_value(json!({ "metadata": { "name": "web" }, "spec": {
                    "selector": selector, "template": { "metadata": {}, "spec": { "containers": [] } } } }))
                .unwrap(),
            ],
            replica_sets: vec![
                set("web-1", owned_by("apps/v1", "Deployment", "web")),
                set("canary-1", owned_by("argoproj.io/v1alpha1", "Rollout", "canary")),
            ],
            ..Default::default()
        }
    }

    fn names(app: &str, owners: Value) -> Vec<String> {
        let all = controllers(&sandbox());
        match home(&pod(app, owners), &all) {
            Home::Controllers(places) => places.into_iter().map(|p| all[p].object()).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn a_pod_belongs_to_its_owner_and_to_one_only() {
        let of_set = |name: &str| names("web", owned_by("apps/v1", "ReplicaSet", name));
        assert_eq!(of_set("web-1"), ["Deployment/web"]);
        assert_eq!(of_set("canary-1"), ["ReplicaSet/canary-1"]);
    }

    #[test]
    fn a_pod_whose_owner_nobody_looks_at_is_a_workload_of_its_own_whatever_its_labels() {
        for (api_version, kind) in [
            ("core.strimzi.io/v1", "StrimziPodSet"),
            ("postgresql.cnpg.io/v1", "Cluster"),
            ("apps.kruise.io/v1beta1", "StatefulSet"),
            ("batch.volcano.sh/v1alpha1", "Job"),
        ] {
            assert_eq!(
                names("web", owned_by(api_version, kind, "web")),
                ["Itself"],
                "{kind}"
            );
        }
    }

    #[test]
    fn a_pod_of_a_replication_controller_is_of_that_controller() {
        let mut objects = sandbox();
        let legacy = json!({ "metadata": { "name": "legacy" }, "spec": { "selector": { "app": "legacy" } } });
        objects.replication_controllers = vec![from_value(legacy).unwrap()];
        let all = controllers(&objects);
        let of = |app: &str, owners: Value| match home(&pod(app, owners), &all) {
            Home::Controllers(places) => places.into_iter().map(|p| all[p].object()).collect(),
            other => vec![format!("{other:?}")],
        };
        let its_own = "ReplicationController/legacy";
        assert_eq!(
            of("web", owned_by("v1", "ReplicationController", "legacy")),
            [its_own]
        );
        assert_eq!(of("legacy", json!([])), [its_own]);
        let of_another = owned_by("example.com/v1", "ReplicationController", "legacy");
        assert_eq!(of("legacy", of_another), ["Itself"]);
    }

    #[test]
    fn pods_of_jobs_and_nodes_are_theirs() {
        assert_eq!(
            names("web", owned_by("batch/v1", "Job", "migrate")),
            ["Elsewhere"]
        );
        assert_eq!(names("web", owned_by("v1", "Node", "n1")), ["Elsewhere"]);
    }

    #[test]
    fn labels_tell_as_long_as_the_owner_is_not_there() {
        let gone = || owned_by("apps/v1", "ReplicaSet", "web-0");
        assert!(names("web", gone()).contains(&"Deployment/web".to_owned()));
        assert!(names("web", json!([])).contains(&"Deployment/web".to_owned()));
        assert_eq!(names("other", gone()), ["Itself"]);
        assert_eq!(names("other", json!([])), ["Itself"]);
    }
}
