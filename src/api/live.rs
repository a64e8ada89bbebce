//! Live progress as server-sent events: all runs that go on, then each change of one.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::{FutureExt, Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    route::{Answering, Ask},
    seats::{Listener, Seat},
};
use crate::fleet::{Fleet, RunChange, RunName, View};

/// A stream ends after this long, and browsers ask again by themselves: a right that was taken back ends with it.
const LONGEST: Duration = Duration::from_mins(15);
/// Proxies close what is silent.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) fn events(ask: Ask) -> Answering {
    Box::pin(async move {
        let listener = Listener::of(&ask.api, ask.token.as_deref(), ask.address).await;
        let seat = ask.api.limits.streams.take(listener)?;
        Ok(stream_of(ask, seat))
    })
}

fn stream_of(ask: Ask, seat: Seat) -> Response {
    let stop = ask.api.stop.clone();
    let end = async move {
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(LONGEST) => {} }
    };
    let told = told(ask.api.fleet, ask.view)
        .take_until(end.boxed())
        .map(move |event| {
            // Held as long as the stream lives.
            let _ = &seat;
            event
        });
    let alive = KeepAlive::new().interval(ALIVE);
    Sse::new(told).keep_alive(alive).into_response()
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
