//! Live progress as server-sent events: all runs that go on, then each change of one.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{FutureExt, Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    problem::Problem,
    route::{Answer, Answering, Ask},
};
use crate::fleet::{Fleet, RunChange, RunName, View};

/// A stream ends after this long, and browsers ask again by themselves: a right that was taken back ends with it.
const LONGEST: Duration = Duration::from_mins(15);
/// Proxies close what is silent.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) fn events(ask: Ask) -> Answering {
    Box::pin(std::future::ready(stream_of(ask)))
}

fn stream_of(ask: Ask) -> Answer {
    let place = ask.api.limits.streams.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many live streams; try again later",
        )
    })?;
    let stop = ask.api.stop.clone();
    let end = async move {
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(LONGEST) => {} }
    };
    let told = told(ask.api.fleet, ask.view)
        .take_until(end.boxed())
        .map(move |event| {
            // Held as long as the stream lives.
            let _ = &place;
            event
        });
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(told).keep_alive(alive).into_response())
}

fn told(fleet: Fleet, view: View) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    // Heard from before the first look, so that nothing falls between.
    let changes = fleet.runs.changes();
    let first = stream::iter(all(&fleet, &view));
    let later = stream::unfold((changes, fleet, view), |(mut changes, fleet, view)| async {
        let event = next(&mut changes, &fleet, &view).await?;
        Some((event, (changes, fleet, view)))
    });
    first.chain(later).map(Ok)
}

async fn next(changes: &mut Receiver<RunChange>, fleet: &Fleet, view: &View) -> Option<Event> {
    loop {
        let event = match changes.recv().await {
            Ok(RunChange::Changed(run)) if view.shows(run.cluster.as_ref(), &run.namespace) => {
                event("run", run.as_ref())
            }
            Ok(RunChange::Gone(name)) if view.holds(&name) => event("gone", &gone(&name)),
            Ok(RunChange::All) | Err(RecvError::Lagged(_)) => all(fleet, view),
            Ok(_) => None,
            Err(RecvError::Closed) => return None,
        };
        if event.is_some() {
            return event;
        }
    }
}

fn gone(name: &RunName) -> Value {
    let mut gone = json!({ "namespace": &*name.namespace, "report": &*name.name });
    if let Some(cluster) = &name.cluster {
        gone["cluster"] = json!(cluster);
    }
    gone
}

fn all(fleet: &Fleet, view: &View) -> Option<Event> {
    event("runs", &fleet.live(view))
}

/// What came in as JSON goes out as JSON.
fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(data).ok()
}
