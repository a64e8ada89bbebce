//! Warnings that still count. Kubernetes keeps them for an hour, whatever became of what they warn of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::ResourceExt;

use super::{
    Trouble,
    assess::SandboxObjects,
    pods::{missing_object, went_on},
};

/// What keeps a controller from making pods. It says so each time it tries: what is older than the newest pod is over.
pub(super) fn of_controller(
    kind: &str,
    name: &str,
    newest_pod: Option<Timestamp>,
    objects: &SandboxObjects,
) -> Vec<String> {
    let is_over = |at: Timestamp| newest_pod.is_some_and(|made| at.as_second() < made.as_second());
    let all = objects.warnings.iter().filter(|e| is_about(e, kind, name));
    in_order(all.filter(|e| !last_said(e).is_some_and(is_over)))
}

/// What keeps a pod from starting. What is not newer than its last step is over, and so is the lack of an object that has
/// come since. Times are cut to the second; whatever still holds a pod up is said again.
pub(super) fn of_pod(pod: &Pod, objects: &SandboxObjects) -> Vec<String> {
    let step = went_on(pod);
    let is_over = |at: Timestamp| step.is_some_and(|step| at.as_second() <= step.as_second());
    // A pod of a stateful set has the name of the one before it.
    let is_same = |e: &&Event| {
        let uids = e.involved_object.uid.as_ref().zip(pod.metadata.uid.as_ref());
        uids.is_none_or(|(about, uid)| about == uid)
    };
    let has_come = |e: &&Event| {
        let lack = e.message.as_deref().and_then(missing_object);
        lack.is_some_and(|lack| came_late(&lack, objects))
    };
    let name = pod.name_any();
    let all = objects.warnings.iter().filter(|e| is_about(e, "Pod", &name));
    let still = all.filter(is_same).filter(|e| !last_said(e).is_some_and(is_over));
    in_order(still.filter(|e| !has_come(e)))
}

/// Whether an object that was missing is there by now; of settings only that is known.
pub(super) fn came_late(lack: &Trouble, objects: &SandboxObjects) -> bool {
    match &lack.missing {
        Some((kind, name)) if kind == "ConfigMap" => {
            objects.config_maps.iter().any(|m| m.name_any() == *name)
        }
        _ => false,
    }
}

fn is_about(event: &Event, kind: &str, name: &str) -> bool {
    let about = &event.involved_object;
    about.kind.as_deref() == Some(kind) && about.name.as_deref() == Some(name)
}

fn in_order<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<String> {
    let by_time: BTreeMap<_, String> = events
        .map(|e| {
            (
                (last_said(e), e.name_any()),
                e.message.clone().unwrap_or_default(),
            )
        })
        .collect();
    by_time.into_values().collect()
}

/// The last time that it was said. The scheduler tells it in the newer fields only.
#[must_use]
pub fn last_said(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|s| s.last_observed_time.as_ref());
    let newer = series.or(event.event_time.as_ref()).map(|t| t.0);
    event.last_timestamp.as_ref().map(|t| t.0).or(newer)
}

/// Takes from an event whatever is not its name or its time.
pub(super) fn keep_time(event: &mut Event) {
    let last = last_said(event).map(Time);
    let metadata = ObjectMeta {
        name: event.metadata.name.take(),
        namespace: event.metadata.namespace.take(),
        resource_version: event.metadata.resource_version.take(),
        ..ObjectMeta::default()
    };
    *event = Event {
        metadata,
        last_timestamp: last,
        ..Event::default()
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    const NO_SECRET: &str = "MountVolume.SetUp failed for volume \"s\" : secret \"login\" not found";

    fn said(kind: &str, about: &Value, second: u8, message: &str) -> Event {
        let mut object = about.clone();
        object["kind"] = json!(kind);
        from_value(json!({
            "metadata": { "name": format!("e{second}") }, "involvedObject": object, "type": "Warning",
            "message": message, "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z") }))
        .unwrap()
    }

    fn objects(warnings: Vec<Event>) -> SandboxObjects {
        SandboxObjects {
            warnings,
            ..Default::default()
        }
    }

    fn pod(status: &Value) -> Pod {
        from_value(json!({ "metadata": { "name": "web-0", "uid": "2" }, "status": status })).unwrap()
    }

    #[test]
    fn what_a_pod_went_on_after_is_over() {
        let about = json!({ "name": "web-0", "uid": "2" });
        let warned = objects(vec![said("Pod", &about, 10, NO_SECRET)]);
        let left = |status: &Value| of_pod(&pod(status), &warned).len();
        let scheduled = |second: u8| {
            json!({ "conditions": [{ "type": "PodScheduled", "status": "True",
                                     "lastTransitionTime": format!("2026-01-01T00:00:{second:02}Z") }] })
        };
        assert_eq!(left(&json!({})), 1);
        assert_eq!(left(&scheduled(9)), 1);
        assert_eq!(left(&scheduled(10)), 0);
        let started = |second: u8| {
            json!({ "containerStatuses": [{ "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 1,
                "state": { "waiting": {} }, "lastState": { "terminated": { "exitCode": 1,
                    "startedAt": format!("2026-01-01T00:00:{second:02}Z") } } }] })
        };
        assert_eq!(left(&started(9)), 1);
        assert_eq!(left(&started(11)), 0);
    }

    #[test]
    fn what_was_said_of_the_pod_before_it_is_over() {
        let about = |uid: &str| json!({ "name": "web-0", "uid": uid });
        let left = |uid: &str| {
            let warned = objects(vec![said("Pod", &about(uid), 10, NO_SECRET)]);
            of_pod(&pod(&json!({})), &warned).len()
        };
        assert_eq!((left("1"), left("2")), (0, 1));
    }

    #[test]
    fn settings_that_have_come_are_not_missing() {
        let message = "MountVolume.SetUp failed for volume \"c\" : configmap \"page\" not found";
        let about = json!({ "name": "web-0" });
        let mut sandbox = objects(vec![
            said("Pod", &about, 10, message),
            said("Pod", &about, 11, NO_SECRET),
        ]);
        assert_eq!(of_pod(&pod(&json!({})), &sandbox), [message, NO_SECRET]);
        sandbox.config_maps = vec![from_value(json!({ "metadata": { "name": "page" } })).unwrap()];
        assert_eq!(of_pod(&pod(&json!({})), &sandbox), [NO_SECRET]);
    }

    #[test]
    fn a_quota_that_let_the_next_pod_through_is_over() {
        let about = json!({ "name": "db" });
        let warned = objects(vec![said("StatefulSet", &about, 10, "exceeded quota: small")]);
        let left = |made: &str| of_controller("StatefulSet", "db", made.parse().ok(), &warned).len();
        assert_eq!(left("never"), 1);
        assert_eq!(left("2026-01-01T00:00:10Z"), 1);
        assert_eq!(left("2026-01-01T00:00:11Z"), 0);
    }

    #[test]
    fn the_scheduler_says_when_in_newer_fields() {
        let mut event = said("Pod", &json!({ "name": "web-0" }), 10, "m");
        event.last_timestamp = None;
        assert_eq!(last_said(&event), None);
        let newer: Event = from_value(json!({ "metadata": {}, "involvedObject": {},
            "eventTime": "2026-01-01T00:00:10.500000Z" }))
        .unwrap();
        assert_eq!(last_said(&newer), "2026-01-01T00:00:10.5Z".parse().ok());
    }

    #[test]
    fn of_an_event_only_its_name_and_its_time_are_kept() {
        let mut event = said("Pod", &json!({ "name": "web-0" }), 3, NO_SECRET);
        event.metadata.namespace = Some("sandbox".into());
        keep_time(&mut event);
        let left = json!({
            "metadata": { "name": "e3", "namespace": "sandbox" }, "involvedObject": {},
            "lastTimestamp": "2026-01-01T00:00:03Z" });
        assert_eq!(event, from_value(left).unwrap());
        let mut newer: Event = from_value(json!({
            "metadata": {}, "involvedObject": {}, "eventTime": "2026-01-01T00:00:04.000000Z" }))
        .unwrap();
        keep_time(&mut newer);
        assert_eq!(last_said(&newer), "2026-01-01T00:00:04Z".parse().ok());
    }
}
