//! Events: what is told of an object to whoever describes it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, Recorder, Reporter},
};

/// As long as a recorder takes an event for one that happens again.
const REPEATS: Duration = Duration::from_mins(6);

/// Publishes Events. One that says again what was just said is counted; one that says something else is stored by itself.
pub struct Events {
    client: Client,
    reporter: Reporter,
    by_note: Mutex<HashMap<Option<String>, (Recorder, Instant)>>,
}

impl Events {
    /// Publishes in the name of this reporter.
    #[must_use]
    pub fn new(client: Client, reporter: Reporter) -> Self {
        Self {
            client,
            reporter,
            by_note: Mutex::default(),
        }
    }

    /// Publishes an event; one that cannot be is only logged, for nothing waits for it.
    pub async fn publish(&self, event: &Event, mut about: ObjectReference) {
        // It is of the object, whatever that becomes.
        about.resource_version = None;
        if let Err(error) = self.recorder(event.note.as_ref()).publish(event, &about).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }

    /// A recorder goes by the reason and keeps the first note, so each note has its own.
    fn recorder(&self, note: Option<&String>) -> Recorder {
        let now = Instant::now();
        let mut by_note = self.by_note.lock().unwrap_or_else(PoisonError::into_inner);
        by_note.retain(|_, (_, used)| now.duration_since(*used) < REPEATS);
        let (recorder, used) = by_note
            .entry(note.cloned())
            .or_insert_with(|| (Recorder::new(self.client.clone(), self.reporter.clone()), now));
        *used = now;
        recorder.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, Request, Response};
    use http_body_util::BodyExt;
    use kube::{client::Body, runtime::events::EventType};
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn each_note_is_stored_and_one_that_is_said_again_is_counted() {
        let stored: Arc<Mutex<Vec<(Method, Value)>>> = Arc::default();
        let requests = stored.clone();
        let server = tower::service_fn(move |request: Request<Body>| {
            let requests = requests.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let event = serde_json::from_slice(&body).unwrap();
                requests.lock().unwrap().push((head.method, event));
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(body.to_vec())))
            }
        });
        let reporter = Reporter {
            controller: "kymaros".to_owned(),
            instance: None,
        };
        let events = Events::new(Client::new(server, "default"), reporter);
        let about = ObjectReference {
            namespace: Some("ops".to_owned()),
            name: Some("shop-1".to_owned()),
            ..ObjectReference::default()
        };
        for note in ["no data", "no orders", "no data"] {
            let event = Event {
                type_: EventType::Warning,
                reason: "Finding".to_owned(),
                note: Some(note.to_owned()),
                action: "Judge".to_owned(),
                secondary: None,
            };
            events.publish(&event, about.clone()).await;
        }
        let stored = stored.lock().unwrap();
        let told: Vec<_> = stored
            .iter()
            .map(|(method, event)| (method.as_str(), event["note"].as_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            [("POST", "no data"), ("POST", "no orders"), ("PATCH", "no data")]
        );
        let name = |of: usize| &stored[of].1["metadata"]["name"];
        assert_ne!(name(0), name(1));
        assert_eq!((name(0), &stored[2].1["series"]["count"]), (name(2), &2.into()));
    }
}
