//! Time of a page over a large fleet, against a handler in the same server that does nothing.
//!
//! The aim is a p99 below 20 ms.

mod measure;

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
    routing::get,
};
use kymaros_crds::domain::Tier;

use crate::{
    measure::{Failure, Load, compare_pages},
    serve::{api_server, app, by_token, serve},
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
const LOAD: Load = Load {
    requests: 2000,
    warm_up: 200,
    connections: 4,
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let world = World::large(Tier::Enterprise, TESTS, REPORTS);
    // One token for all: whoever has it may start runs, and there is something to sign in to.
    let all = app(&world, by_token("secret"), api_server(true).0);
    let app = all.merge(Router::new().route("/nothing", get(|| async { "" })));
    let address = serve(app).await;
    let token = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer secret"))]);
    let client = reqwest::Client::builder()
        .default_headers(token)
        .pool_max_idle_per_host(LOAD.connections)
        .http1_only()
        .build()?;
    let newest = world.latest("application-0000").metadata.name.unwrap_or_default();
    println!(
        "{} requests each, {} connections, {TESTS} tests, {} reports",
        LOAD.requests,
        LOAD.connections,
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
        ("trigger", format!("/tests/{OPS}/application-0000/trigger")),
        ("coverage", "/coverage".to_owned()),
        ("clusters", "/clusters".to_owned()),
        ("compliance", "/compliance?framework=dora&period=365".to_owned()),
        ("schedules", "/schedules".to_owned()),
        ("settings", "/settings".to_owned()),
        ("sign-in", "/sign-in".to_owned()),
    ] {
        let base = format!("http://{address}");
        let (own_page, floor_page) = (format!("{base}{path}"), format!("{base}/nothing"));
        let (bytes, own, floor) = compare_pages(LOAD, &client, own_page, floor_page).await?;
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
