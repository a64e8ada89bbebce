//! Time of a page over a large fleet, against a handler in the same server that does nothing.
//!
//! Requests to both alternate on the same kept-alive connections, so that whatever else the machine does, it does to
//! both. The aim is a p99 below 20 ms.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use kymaros_crds::domain::Tier;

use crate::{
    serve::{open, serve},
    world::{OPS, World},
};

#[expect(clippy::unwrap_used, reason = "shared with tests")]
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/dashboard/serve.rs"]
mod serve;
#[expect(clippy::unwrap_used, reason = "shared with tests")]
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/dashboard/world.rs"]
mod world;

/// What the cluster holds: so many tests with so many reports each.
const TESTS: usize = 1000;
const REPORTS: usize = 20;
/// Requests of each page, after a tenth of that to warm up.
const REQUESTS: usize = 2000;
const CONNECTIONS: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let world = World::large(Tier::Enterprise, TESTS, REPORTS);
    let app = open(&world).merge(Router::new().route("/nothing", get(|| async { "" })));
    let address = serve(app).await;
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(CONNECTIONS)
        .http1_only()
        .build()?;
    let newest = world.latest("application-0000").metadata.name.unwrap_or_default();
    println!(
        "{REQUESTS} requests each, {CONNECTIONS} connections, {TESTS} tests, {} reports",
        TESTS * REPORTS
    );
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "", "p50 ms", "floor", "p99 ms", "floor", "bytes"
    );
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("tests", "/tests?sort=-score".to_owned()),
        ("test", format!("/tests/{OPS}/application-0000")),
        ("report", format!("/reports/{OPS}/{newest}")),
        ("compliance", "/compliance?framework=dora&period=365".to_owned()),
        ("schedules", "/schedules".to_owned()),
        ("settings", "/settings".to_owned()),
    ] {
        let base = format!("http://{address}");
        let bytes = client
            .get(format!("{base}{path}"))
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?
            .len();
        let (own, floor) = compare(&client, &base, &path).await?;
        println!(
            "{name:<12} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {bytes:>8}",
            own.at(50),
            floor.at(50),
            own.at(99),
            floor.at(99),
        );
    }
    Ok(())
}

/// Times, sorted.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// A percentile, milliseconds.
    fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

async fn compare(client: &reqwest::Client, base: &str, path: &str) -> Result<(Times, Times), Failure> {
    let each = REQUESTS / CONNECTIONS;
    let workers = (0..CONNECTIONS).map(|_| {
        let (client, own, floor) = (client.clone(), format!("{base}{path}"), format!("{base}/nothing"));
        tokio::spawn(async move {
            let (mut owns, mut floors) = (Vec::new(), Vec::new());
            for request in 0..each + each / 10 {
                let (a, b) = (time(&client, &own).await?, time(&client, &floor).await?);
                if request >= each / 10 {
                    owns.push(a);
                    floors.push(b);
                }
            }
            Ok::<_, Failure>((owns, floors))
        })
    });
    let (mut owns, mut floors) = (Vec::new(), Vec::new());
    for worker in workers.collect::<Vec<_>>() {
        let (own, floor) = worker.await??;
        owns.extend(own);
        floors.extend(floor);
    }
    Ok((Times::of(owns), Times::of(floors)))
}

async fn time(client: &reqwest::Client, address: &str) -> Result<Duration, Failure> {
    let begun = Instant::now();
    client
        .get(address)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    Ok(begun.elapsed())
}
