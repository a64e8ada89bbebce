//! Where each workload stands.

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
    let status = json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1 });
    let objects = SandboxObjects {
        deployments: vec![deployment(1, &status)],
        ..Default::default()
    };
    assert!(!only(&objects).is_ready());
}

#[test]
fn a_deployment_that_is_paused_with_a_change_is_as_ready_as_its_pods() {
    let status = json!({ "observedGeneration": 1, "replicas": 1, "readyReplicas": 1 });
    let ready = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    let mut objects = SandboxObjects {
        deployments: vec![deployment(1, &status)],
        pods: vec![pod("web-1", &ready)],
        ..Default::default()
    };
    assert!(!only(&objects).is_ready());
    objects.deployments[0].spec.as_mut().unwrap().paused = Some(true);
    assert!(only(&objects).is_ready());
    objects.pods.clear();
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
fn the_claims_of_a_workload_are_those_of_its_pods() {
    let mut of_web = pod("web-1", &ready_at("2026-01-01T00:00:05Z"));
    of_web.spec = serde_json::from_value(json!({ "containers": [], "volumes": [
        { "name": "a", "emptyDir": {} }, { "name": "d", "persistentVolumeClaim": { "claimName": "data" } }] }))
    .ok();
    let mut objects = SandboxObjects {
        deployments: vec![deployment(1, &json!({}))],
        pods: vec![of_web],
        ..Default::default()
    };
    let data = ["data".to_owned()].into();
    assert_eq!(only(&objects).claims, data);
    objects.deployments.clear();
    assert_eq!(only(&objects).claims, data, "a pod alone");
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
