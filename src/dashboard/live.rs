//! Tells open pages that something changed; they fetch themselves again. Nothing of what changed is in the stream.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures::{StreamExt, stream};
use tokio::{
    sync::broadcast,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{api::Seat, fleet::RunChange};

/// Open pages that are told at most; the others are loaded anew every minute.
pub const MOST: usize = 512;
/// Changes that come this close together are one.
const GATHER: Duration = Duration::from_millis(100);
/// A stream ends after this long, and the browser opens the next: rights are asked for anew.
const LIFE: Duration = Duration::from_mins(15);

/// The stream of one page.
pub fn stream(changes: broadcast::Receiver<RunChange>, seat: Seat, stop: CancellationToken) -> Response {
    let told = Told {
        changes,
        ends: Instant::now() + LIFE,
        _seat: seat,
    };
    let events = stream::unfold(told, next).take_until(stop.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct Told {
    changes: broadcast::Receiver<RunChange>,
    ends: Instant,
    _seat: Seat,
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
    use crate::api::{Listener, Seats};

    fn seat(seats: &Seats) -> Option<Seat> {
        seats.take(Listener::Address(None)).ok()
    }

    fn told(response: Response) -> BodyDataStream {
        response.into_body().into_data_stream()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_come_together_are_told_once() {
        let (changes, _) = broadcast::channel(8);
        let (seats, stop) = (Seats::new(1), CancellationToken::new());
        let mut events = told(stream(changes.subscribe(), seat(&seats).unwrap(), stop.clone()));
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
    async fn a_stream_holds_its_seat_as_long_as_it_lives_and_no_longer_than_a_while() {
        let (changes, _) = broadcast::channel::<RunChange>(8);
        let (seats, stop) = (Seats::new(1), CancellationToken::new());
        let first = stream(changes.subscribe(), seat(&seats).unwrap(), stop.clone());
        assert!(seat(&seats).is_none());
        drop(first);
        let mut second = told(stream(changes.subscribe(), seat(&seats).unwrap(), stop));
        tokio::time::advance(LIFE).await;
        let ended = async { while second.next().await.is_some() {} };
        timeout(Duration::from_secs(1), ended)
            .await
            .expect("rights are asked for anew");
    }
}
