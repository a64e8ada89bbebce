//! What the script makes of answers that are late, refused or too many, before a server that counts.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::get,
};
use futures::{StreamExt, stream};
use serde_json::json;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::timeout,
};

use crate::{browser::Browser, serve::serve};

const SCRIPT: &str = include_str!("../../src/dashboard/assets/dashboard.js");
/// More than the minute after which pages are fetched anyway would be no proof.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Nobody may have the stream.
    NoStream,
    /// The first time the page is fetched again there are too many requests; changes do not stop.
    TooMany,
    /// Nothing changes.
    Quiet,
}

#[derive(Clone)]
struct Server {
    way: Way,
    fetched: Arc<AtomicUsize>,
    changes: broadcast::Sender<()>,
    seen: mpsc::UnboundedSender<Instant>,
    streams: watch::Sender<usize>,
}

/// A stream that somebody listens to.
struct Listened(watch::Sender<usize>);

impl Listened {
    fn new(streams: watch::Sender<usize>) -> Self {
        streams.send_modify(|count| *count += 1);
        Self(streams)
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn page(State(server): State<Server>, headers: HeaderMap) -> Response {
    let is_again = headers.contains_key("x-kymaros-live");
    let count = if is_again {
        server.fetched.fetch_add(1, Ordering::SeqCst) + 1
    } else {
        0
    };
    if is_again {
        let _ = server.seen.send(Instant::now());
    }
    if is_again && server.way != Way::Quiet {
        // What changes while a page is fetched is a change that it may not have.
        let _ = server.changes.send(());
    }
    if server.way == Way::TooMany && count == 1 {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")]).into_response();
    }
    let html = format!(
        r#"<!doctype html><html lang="en" data-stream="/live"><head><title>x</title><link rel="icon" href="data:,">
        <script>new MutationObserver(() => {{ if (document.documentElement.classList.contains("is-stale")) window.wasStale = true; }})
            .observe(document.documentElement, {{ attributes: true }});</script>
        <script src="/script.js" defer></script></head><body><div id="part" data-live>fetch {count}</div></body></html>"#
    );
    Html(html).into_response()
}

async fn live(State(server): State<Server>) -> Response {
    if server.way == Way::NoStream {
        return StatusCode::FORBIDDEN.into_response();
    }
    let listened = Listened::new(server.streams.clone());
    let told = stream::unfold(
        (server.changes.subscribe(), listened),
        async |(mut changes, listened)| {
            changes.recv().await.ok()?;
            Some(((), (changes, listened)))
        },
    );
    let changed = || Ok::<_, Infallible>(Event::default().event("changed").data("runs"));
    let first = stream::iter((server.way != Way::Quiet).then_some(()));
    Sse::new(first.chain(told).map(move |()| changed())).into_response()
}

/// A server, when its page was fetched again, and how many listen to its stream.
async fn server(way: Way) -> (String, mpsc::UnboundedReceiver<Instant>, watch::Receiver<usize>) {
    let (seen, times) = mpsc::unbounded_channel();
    let (streams, listeners) = watch::channel(0);
    let state = Server {
        way,
        fetched: Arc::default(),
        changes: broadcast::channel(64).0,
        seen,
        streams,
    };
    let script = async || ([("content-type", "text/javascript")], SCRIPT);
    let routes = Router::new()
        .route("/", get(page))
        .route("/live", get(live))
        .route("/script.js", get(script))
        .with_state(state);
    (format!("http://{}/", serve(routes).await), times, listeners)
}

async fn next(times: &mut mpsc::UnboundedReceiver<Instant>) -> Instant {
    let fetched = timeout(PATIENCE, times.recv()).await;
    fetched.expect("the page is fetched again").unwrap()
}

/// Whether the page has been marked stale, once it shows what it was fetched for.
async fn was_stale(browser: &mut Browser, text: &str) -> bool {
    let shown = format!(
        "new Promise(done => {{ const look = () => document.getElementById('part').textContent.startsWith({text:?})
            ? done(window.wasStale === true) : requestAnimationFrame(look); look(); }})"
    );
    browser.evaluate(&shown).await == json!(true)
}

#[tokio::test]
async fn in_a_browser_a_page_whose_stream_is_refused_is_not_called_old() {
    let (address, mut times, _) = server(Way::NoStream).await;
    let mut browser = Browser::start().await;
    browser.load(&address).await;
    next(&mut times).await;
    assert!(!was_stale(&mut browser, "fetch 1").await, "it answers");
}

#[tokio::test]
async fn in_a_browser_a_page_waits_as_it_is_told_and_asks_once_a_second_at_most() {
    let (address, mut times, _) = server(Way::TooMany).await;
    let mut browser = Browser::start().await;
    browser.load(&address).await;
    let refused = next(&mut times).await;
    let mut last = next(&mut times).await;
    let waited = last - refused;
    assert!(
        waited >= Duration::from_millis(1900),
        "{waited:?} after Retry-After: 2"
    );
    for _ in 0..3 {
        let now = next(&mut times).await;
        assert!(now - last >= Duration::from_millis(900), "{:?}", now - last);
        last = now;
    }
    assert!(
        !was_stale(&mut browser, "fetch").await,
        "it answers, to others first"
    );
}

#[tokio::test]
async fn in_a_browser_a_page_that_nobody_sees_keeps_no_connection_and_is_fetched_when_it_is_seen_again() {
    let (address, mut times, mut listeners) = server(Way::Quiet).await;
    let mut browser = Browser::start().await;
    browser.load(&address).await;
    count(&mut listeners, 1).await;
    browser.cover().await;
    count(&mut listeners, 0).await;
    browser.uncover().await;
    count(&mut listeners, 1).await;
    next(&mut times).await;
    assert!(!was_stale(&mut browser, "fetch 1").await);
}

async fn count(listeners: &mut watch::Receiver<usize>, wanted: usize) {
    let found = timeout(PATIENCE, listeners.wait_for(|count| *count == wanted)).await;
    found
        .unwrap_or_else(|_| panic!("there are never {wanted} listeners"))
        .unwrap();
}
