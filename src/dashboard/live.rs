//! Tells open pages that something changed; they fetch themselves again. Nothing of what changed is in the stream.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::fleet::RunChange;

/// Open pages that are told at most; the others are loaded anew every minute.
pub const MOST: usize = 512;
/// Changes that come this close together are one.
const GATHER: Duration = Duration::from_millis(100);
/// A stream ends after this long, and the browser opens the next: rights are asked for anew.
const LIFE: Duration = Duration::from_mins(15);

/// The stream of one page, when there is room for one more.
pub fn stream(
    changes: broadcast::Receiver<RunChange>,
    room: &Arc<Semaphore>,
    stop: CancellationToken,
) -> Option<Response> {
    let seat = room.clone().try_acquire_owned().ok()?;
    let told = Told {
        changes,
        ends: Instant::now() + LIFE,
        _seat: seat,
    };
    let events = stream::unfold(told, next).take_until(stop.cancelled_owned());
    Some(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Told {
    changes: broadcast::Receiver<RunChange>,
    ends: Instant,
    _seat: OwnedSemaphorePermit,
}

async fn next(mut told: Told) -> Option<(Result<Event, Infallible>, Told)> {
    let change = tokio::time::timeout_at(told.ends, told.changes.recv())
        .await
        .ok()?;
    if matches!(change, Err(broadcast::error::RecvError::Closed)) {
        return None;
    }
    let quiet = Instant::now() + GATHER;
    while Instant::now() < quiet {
        let rest = quiet.saturating_duration_since(Instant::now());
        match timeout(rest, told.changes.recv()).await {
            Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Some((Ok(Event::default().event("changed").data("runs")), told))
}

#[cfg(test)]
mod tests {
    use axum::body::BodyDataStream;

    use super::*;

    fn told(response: Response) -> BodyDataStream {
        response.into_body().into_data_stream()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_come_together_are_told_once() {
        let (changes, _) = broadcast::channel(8);
        let (room, stop) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
        let mut events = told(stream(changes.subscribe(), &room, stop.clone()).unwrap());
        for _ in 0..3 {
            changes.send(RunChange::All).unwrap();
        }
        let event = events.next().await.unwrap().unwrap();
        // Browsers drop events without data.
        assert_eq!(event, "event: changed\ndata: runs\n\n");
        let quiet = timeout(Duration::from_secs(5), events.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        changes.send(RunChange::All).unwrap();
        assert!(events.next().await.is_some(), "and again for the next");
        stop.cancel();
        assert!(events.next().await.is_none(), "it does not hold up a stop");
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_no_more_streams_than_there_is_room_for() {
        let (changes, _) = broadcast::channel::<RunChange>(8);
        let (room, stop) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
        let open = |changes: &broadcast::Sender<RunChange>| stream(changes.subscribe(), &room, stop.clone());
        let first = open(&changes).unwrap();
        assert!(open(&changes).is_none());
        drop(first);
        let mut second = told(open(&changes).unwrap());
        tokio::time::advance(LIFE).await;
        let ended = async { while second.next().await.is_some() {} };
        timeout(Duration::from_secs(1), ended)
            .await
            .expect("rights are asked for anew");
    }
}
