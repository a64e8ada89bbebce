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
    let new = |count: usize| {
        (
            format!("<li><a href='/{count}'>new</a></li>"),
            format!("<details id='new-{count}'><summary>new</summary></details>"),
        )
    };
    let (items, logs): (String, String) = (1..=count).rev().map(new).unzip();
    let lines = "line\n".repeat(200);
    let html = format!(
        r#"<!doctype html><html lang="en" data-stream="/live"><head><title>x</title><link rel="icon" href="data:,">
        <script>new MutationObserver(() => {{ if (document.documentElement.classList.contains("is-stale")) window.wasStale = true; }})
            .observe(document.documentElement, {{ attributes: true }});</script>
        <script src="/script.js" defer></script></head><body><div id="part" data-live>fetch {count}<ul>{items}<li><a href="/">old</a></li></ul>
        {logs}<details id="old"><summary>old</summary><pre tabindex="0" style="height:40px;overflow:auto">{lines}</pre></details>
        </div></body></html>"#
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

/// A server that goes on, and what it is asked.
struct Served {
    address: String,
    /// When its page was fetched again.
    times: mpsc::UnboundedReceiver<Instant>,
    /// How many listen to its stream.
    listeners: watch::Receiver<usize>,
    changes: broadcast::Sender<()>,
}

async fn server(way: Way) -> Served {
    let (seen, times) = mpsc::unbounded_channel();
    let (streams, listeners) = watch::channel(0);
    let changes = broadcast::channel(64).0;
    let state = Server {
        way,
        fetched: Arc::default(),
        changes: changes.clone(),
        seen,
        streams,
    };
    let script = async || ([("content-type", "text/javascript")], SCRIPT);
    let routes = Router::new()
        .route("/", get(page))
        .route("/live", get(live))
        .route("/script.js", get(script))
        .with_state(state);
    Served {
        address: format!("http://{}/", serve(routes).await),
        times,
        listeners,
        changes,
    }
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
    let mut server = server(Way::NoStream).await;
    let mut browser = Browser::start().await;
    browser.load(&server.address).await;
    next(&mut server.times).await;
    assert!(!was_stale(&mut browser, "fetch 1").await, "it answers");
}

#[tokio::test]
async fn in_a_browser_a_page_waits_as_it_is_told_and_asks_once_a_second_at_most() {
    let mut server = server(Way::TooMany).await;
    let mut browser = Browser::start().await;
    browser.load(&server.address).await;
    let refused = next(&mut server.times).await;
    let first = next(&mut server.times).await;
    let waited = first - refused;
    assert!(
        waited >= Duration::from_millis(1900),
        "{waited:?} after Retry-After: 2"
    );
    // The browser knows of one that is answered, so there is one more than those that are looked at.
    for _ in 0..4 {
        next(&mut server.times).await;
    }
    // By the page's own clock: a busy machine delays what is asked on its way.
    let asked = "performance.getEntriesByType('resource').filter(e => e.initiatorType === 'fetch').map(e => e.startTime)";
    let asked: Vec<f64> = serde_json::from_value(browser.evaluate(asked).await).unwrap();
    assert!(asked.len() >= 5, "{asked:?}");
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= 900.0, "{asked:?} ms");
    }
    assert!(
        !was_stale(&mut browser, "fetch").await,
        "it answers, to others first"
    );
}

#[tokio::test]
async fn in_a_browser_a_page_that_nobody_sees_keeps_no_connection_and_is_fetched_when_it_is_seen_again() {
    let mut server = server(Way::Quiet).await;
    let mut browser = Browser::start().await;
    browser.load(&server.address).await;
    count(&mut server.listeners, 1).await;
    browser.cover().await;
    count(&mut server.listeners, 0).await;
    browser.uncover().await;
    count(&mut server.listeners, 1).await;
    next(&mut server.times).await;
    assert!(!was_stale(&mut browser, "fetch 1").await);
}

async fn count(listeners: &mut watch::Receiver<usize>, wanted: usize) {
    let found = timeout(PATIENCE, listeners.wait_for(|count| *count == wanted)).await;
    found
        .unwrap_or_else(|_| panic!("there are never {wanted} listeners"))
        .unwrap();
}

#[tokio::test]
async fn in_a_browser_what_stays_the_same_keeps_its_focus_and_stays_open_and_scrolled() {
    let mut server = server(Way::Quiet).await;
    let mut browser = Browser::start().await;
    browser.load(&server.address).await;
    count(&mut server.listeners, 1).await;
    let looks = "(() => { const [old, pre] = ['#old', 'pre'].map(what => document.querySelector(what));
        return [old.open, document.querySelectorAll('[open]').length, pre.scrollTop, document.activeElement.textContent]; })()";
    for (focused, fetched) in [("summary", "fetch 1"), ("a", "fetch 2")] {
        browser
            .evaluate(&format!(
                "document.querySelector('#old').open = true; document.querySelector('pre').scrollTop = 90;
                [...document.querySelectorAll({focused:?})].at(-1).focus()"
            ))
            .await;
        assert_eq!(browser.evaluate(looks).await, json!([true, 1, 90, "old"]));
        server.changes.send(()).unwrap();
        next(&mut server.times).await;
        assert!(!was_stale(&mut browser, fetched).await);
        let kept = browser.evaluate(looks).await;
        assert_eq!(kept, json!([true, 1, 90, "old"]), "{focused}");
    }
}
