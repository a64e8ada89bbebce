use std::{
    convert::Infallible,
    future::pending,
    io::Write,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// How long a page takes.
const PAGE_TAKES: Duration = Duration::from_mins(2);

fn known() -> (Known, Remote) {
    Known::new("eu".parse().unwrap(), RunLog::default())
}

/// An API server that answers what is small at once, and sends so many pages of a list, each slowly; the last of them is the
/// end of the list, or nothing comes after it.
fn server(pages: usize, ends: bool) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| async move {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if query.contains("watch=") {
            return pending().await;
        }
        let is_probe = query.split('&').any(|part| part == "limit=1");
        let page = query.split('&').find_map(|part| part.strip_prefix("continue="));
        let page: usize = page.map_or(1, |page| page.parse().unwrap());
        if !is_probe {
            if page > pages {
                return pending().await;
            }
            tokio::time::sleep(PAGE_TAKES).await;
        }
        let next = (!(is_probe || ends && page == pages)).then(|| (page + 1).to_string());
        // A test as well as a report.
        let spec = json!({
            "testRef": "shop", "backupSource": { "provider": "velero", "namespaces": [] }, "schedule": { "cron": "" },
        });
        let item =
            json!({ "metadata": { "name": format!("shop-{page}"), "namespace": "ops" }, "spec": spec });
        let list = json!({ "metadata": { "resourceVersion": "1", "continue": next }, "items": [item] });
        let body = Body::from(serde_json::to_vec(&list).unwrap());
        Ok::<_, Infallible>(Response::new(body))
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_answers_and_never_ends_a_list_is_away() {
    for pages in [0, 3] {
        let (mut known, _remote) = known();
        let client = server(pages, false);
        let lost = timeout(Duration::from_hours(1), follow(&client, &mut known)).await;
        assert_eq!(lost, Ok(Lost::Stalled), "{pages} pages");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_takes_long_but_comes_is_waited_for() {
    let (mut known, remote) = known();
    let client = server(5, true);
    let lost = timeout(Duration::from_hours(1), follow(&client, &mut known)).await;
    assert!(lost.is_err() && known.is_whole(), "{lost:?}");
    assert!(matches!(remote.contact.borrow().reached, Reached::Since(_)));
}

/// What is logged meanwhile.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn the_log_has_each_reason_once_and_that_it_is_over() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let (known, _remote) = known();
        known.heard();
        for lost in [Lost::Silent, Lost::Silent, Lost::Unknown, Lost::Silent] {
            known.lost(&lost);
        }
        known.heard();
        known.heard();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said = lines.map(|line| {
        let fields = &line["fields"];
        assert_eq!(fields["cluster"], "eu", "{line}");
        let why = fields["why"].as_str().and_then(|why| why.split(';').next());
        format!(
            "{} {}{}",
            line["level"].as_str().unwrap(),
            fields["message"].as_str().unwrap(),
            why.map(|why| format!(": {why}")).unwrap_or_default()
        )
    });
    let silent = "WARN another cluster is away: it did not answer in time";
    let unknown = "WARN another cluster is away: its account is not known there, or not any more";
    let back = "INFO another cluster is back";
    assert_eq!(said.collect::<Vec<_>>(), [silent, unknown, silent, back]);
}
