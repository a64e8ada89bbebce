//! Pods that no controller of the sandbox answers for: each is a workload of its own.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{
    Workload, WorkloadState,
    homes::owner,
    pods::{PodState, awaits_data, claims, most_restarts, outlives, restarts},
};

/// The workloads that some pods are, with what was said of each.
pub(super) fn assess(source: &str, pods: &[(&Pod, PodState)]) -> Vec<Workload> {
    let lives = |state: &PodState| !matches!(state, PodState::Gone(_) | PodState::Succeeded);
    let living: BTreeSet<&str> = pods
        .iter()
        .filter(|(_, state)| lives(state))
        .filter_map(|(pod, _)| Some(owner(*pod)?.uid.as_str()))
        .collect();
    // Of a pod that is gone its owner makes another, unless it was to run only once.
    let is_over = |pod: &Pod, state: &PodState| {
        let replaced = owner(pod).is_some_and(|o| living.contains(o.uid.as_str()) || runs_once(pod));
        matches!(state, PodState::Gone(_)) && replaced
    };
    let left = pods.iter().filter(|(pod, state)| !is_over(pod, state));
    left.map(|(pod, state)| workload(source, pod, state)).collect()
}

/// Whether its owner takes care of a bad end as a Job does.
fn runs_once(pod: &Pod) -> bool {
    let policy = pod.spec.as_ref().and_then(|s| s.restart_policy.as_deref());
    policy.is_some_and(|policy| policy != "Always")
}

fn workload(source: &str, pod: &Pod, state: &PodState) -> Workload {
    let state = match state {
        PodState::Ready(since) => WorkloadState::Ready(*since),
        PodState::Succeeded => WorkloadState::Ready(None),
        PodState::Gone(trouble) if owner(pod).is_some() => WorkloadState::Pending(trouble.clone()),
        PodState::Gone(trouble) => WorkloadState::Crashed(trouble.clone()),
        PodState::Hopeless(trouble) => WorkloadState::Hopeless(trouble.clone()),
        PodState::Waiting(trouble) => WorkloadState::Pending(trouble.clone()),
        PodState::Crashing(trouble, tried) => WorkloadState::Crashing {
            trouble: trouble.clone(),
            tried: *tried,
        },
    };
    let ready = i32::from(matches!(state, WorkloadState::Ready(_)));
    Workload {
        source: source.to_owned(),
        object: format!("Pod/{}", pod.name_any()),
        wanted: 1,
        ready,
        state,
        restarts: restarts(pod),
        most_restarts: most_restarts(pod),
        outlives: outlives(pod),
        awaits_data: awaits_data(pod),
        claims: claims(pod).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::pods::judge;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, from_value, json};

    fn of_controller(name: &str, status: &Value) -> Pod {
        let owner = json!([{ "apiVersion": "v1", "kind": "ReplicationController", "name": "web", "uid": "1",
                             "controller": true }]);
        from_value(json!({ "metadata": { "name": name, "ownerReferences": owner },
                           "spec": { "containers": [], "restartPolicy": "Always" }, "status": status }))
        .unwrap()
    }

    fn states(pods: &[Pod]) -> Vec<WorkloadState> {
        let judged: Vec<_> = pods.iter().map(|pod| (pod, judge(pod, &[]))).collect();
        let all = assess("shop", &judged).into_iter();
        all.map(|w| w.state).collect()
    }

    fn ready() -> Value {
        json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] })
    }

    fn evicted() -> Value {
        json!({ "phase": "Failed", "reason": "Evicted" })
    }

    fn no_image() -> Value {
        json!({ "phase": "Pending", "containerStatuses": [{ "name": "c", "image": "i", "imageID": "",
            "ready": false, "restartCount": 0, "state": { "waiting": { "reason": "ErrImageNeverPull" } } }] })
    }

    #[test]
    fn it_is_judged_the_same_before_its_controller_adopts_it_and_after() {
        for (status, fine) in [(ready(), true), (no_image(), false)] {
            let adopted = of_controller("web-1", &status);
            let mut restored = adopted.clone();
            restored.metadata.owner_references = None;
            let state = states(&[adopted]);
            assert_eq!(state, states(&[restored]));
            assert_eq!(matches!(state[..], [WorkloadState::Ready(_)]), fine);
            assert_eq!(matches!(state[..], [WorkloadState::Hopeless(_)]), !fine);
        }
    }

    #[test]
    fn one_that_its_controller_replaced_accuses_nobody() {
        let mut going = of_controller("web-2", &ready());
        going.metadata.deletion_timestamp = "2026-01-01T00:00:00Z".parse().ok().map(Time);
        let there = of_controller("web-3", &ready());
        let all = states(&[of_controller("web-1", &evicted()), going.clone(), there]);
        assert!(matches!(all[..], [WorkloadState::Ready(_)]), "{all:?}");
        let last = states(&[going]);
        assert!(
            matches!(last[..], [WorkloadState::Pending(_)]),
            "another may come: {last:?}"
        );
    }

    #[test]
    fn one_that_failed_without_another_is_waited_for_and_final_without_a_controller() {
        let done = of_controller("web-0", &json!({ "phase": "Succeeded" }));
        let mut failed = of_controller("web-1", &evicted());
        let state = |failed: &Pod| states(&[done.clone(), failed.clone()]).pop().unwrap();
        assert!(matches!(state(&failed), WorkloadState::Pending(_)));
        failed.metadata.owner_references = None;
        assert!(matches!(state(&failed), WorkloadState::Crashed(_)));
    }

    #[test]
    fn one_that_runs_once_may_fail_as_that_of_a_job_may() {
        let mut step = of_controller("build-1", &evicted());
        step.spec.as_mut().unwrap().restart_policy = Some("Never".into());
        assert!(states(std::slice::from_ref(&step)).is_empty());
        step.status = from_value(no_image()).ok();
        assert!(matches!(states(&[step])[..], [WorkloadState::Hopeless(_)]));
    }
}
