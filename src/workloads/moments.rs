//! When the pods of a sandbox took which step, by the API server's and the kubelet's own times.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Steps of all pods together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The first pod was created.
    pub created: Option<Timestamp>,
    /// The last pod was created.
    pub all_created: Option<Timestamp>,
    /// The last pod was given to a node.
    pub scheduled: Option<Timestamp>,
    /// The last image was there that a container started from; nobody knows where the kubelet's events are lost.
    pub pulled: Option<Timestamp>,
    /// The last container started.
    pub started: Option<Timestamp>,
    /// The first pod was ready.
    pub first_ready: Option<Timestamp>,
}

impl Moments {
    /// Those of some pods, and of when the kubelet had an image.
    #[must_use]
    pub fn of(pods: &[Pod], pulled: &[Timestamp]) -> Self {
        let condition = |pod: &Pod, type_: &str| {
            let conditions = pod.status.as_ref()?.conditions.as_ref()?;
            let met = conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == "True")?;
            met.last_transition_time.as_ref().map(|t| t.0)
        };
        let started = |pod: &Pod| {
            let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
            let running = containers
                .iter()
                .filter_map(|c| c.state.as_ref()?.running.as_ref());
            running.filter_map(|r| r.started_at.as_ref().map(|t| t.0)).max()
        };
        let started = pods.iter().filter_map(started).max();
        // One that came later is of a container that does not run.
        let in_time = |at: &Timestamp| started.is_some_and(|started| *at <= started);
        let created = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
        Self {
            created: pods.iter().filter_map(created).min(),
            all_created: pods.iter().filter_map(created).max(),
            scheduled: pods.iter().filter_map(|p| condition(p, "PodScheduled")).max(),
            pulled: pulled.iter().copied().filter(in_time).max(),
            started,
            first_ready: pods.iter().filter_map(|p| condition(p, "Ready")).min(),
        }
    }

    /// The same in another reckoning of time.
    #[must_use]
    pub fn placed(self, place: impl Fn(Timestamp) -> Timestamp) -> Self {
        Self {
            created: self.created.map(&place),
            all_created: self.all_created.map(&place),
            scheduled: self.scheduled.map(&place),
            pulled: self.pulled.map(&place),
            started: self.started.map(&place),
            first_ready: self.first_ready.map(&place),
        }
    }

    /// Those of two sandboxes together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let first = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        Self {
            created: first(self.created, other.created),
            all_created: self.all_created.max(other.all_created),
            scheduled: self.scheduled.max(other.scheduled),
            pulled: self.pulled.max(other.pulled),
            started: self.started.max(other.started),
            first_ready: first(self.first_ready, other.first_ready),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(second: u8) -> Pod {
        let at = |step: u8| format!("2026-01-01T00:00:{:02}Z", second + step);
        serde_json::from_value(json!({ "metadata": { "creationTimestamp": at(0) }, "status": {
            "conditions": [{ "type": "PodScheduled", "status": "True", "lastTransitionTime": at(1) },
                           { "type": "Ready", "status": "True", "lastTransitionTime": at(3) }],
            "containerStatuses": [{ "name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
                                    "state": { "running": { "startedAt": at(2) } } }] } }))
        .unwrap()
    }

    fn at(second: u8) -> Option<Timestamp> {
        format!("2026-01-01T00:00:{second:02}Z").parse().ok()
    }

    #[test]
    fn the_first_begins_and_the_last_ends() {
        let both = Moments {
            created: at(10),
            all_created: at(20),
            scheduled: at(21),
            pulled: at(21),
            started: at(22),
            first_ready: at(13),
        };
        let (ten, twenty) = (pod(10), pod(20));
        let said = [at(11), at(21)].map(Option::unwrap);
        assert_eq!(Moments::of(&[ten.clone(), twenty.clone()], &said), both);
        let one = Moments::of(&[ten], &said[..1]);
        assert_eq!(one.and(Moments::of(&[twenty], &said[1..])), both);
        assert_eq!(Moments::of(&[], &[]), Moments::default());
        assert_eq!(Moments::default().and(both), both);
    }

    #[test]
    fn an_image_of_a_container_that_does_not_run_is_none_of_them() {
        assert_eq!(
            Moments::of(&[pod(10)], &[at(11), at(30)].map(Option::unwrap)).pulled,
            at(11)
        );
        assert_eq!(Moments::of(&[], &[at(11).unwrap()]).pulled, None);
    }
}
