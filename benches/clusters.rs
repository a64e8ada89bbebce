//! Memory of a hub with many other clusters, the time until it knows them, and that of its pages, against a handler in the same
//! server that does nothing.
//!
//! The other clusters are simulated by one process beside this one, which answers over TLS as API servers do: what is measured
//! here is the hub, with its watches, stores and connections.
//!
//! The aim is a p99 below 20 ms.

mod measure;
mod memory;
mod objects;
mod simulated;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use kymaros::{
    clusters,
    fleet::{Fleet, Reached},
};
use kymaros_crds::domain::Tier;

use crate::{
    measure::{Failure, Load, compare_pages},
    memory::{peak, resident},
    serve::{open, serve},
    simulated::{CLUSTERS, REPORTS, TESTS},
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

const LOAD: Load = Load {
    requests: 1000,
    warm_up: 100,
    connections: 4,
};
/// How long it may take until all is known.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if std::env::args().any(|argument| argument == simulated::ARGUMENT) {
        return simulated::serve().await;
    }
    let (_others, way) = Others::start()?;
    let mut world = World::large(Tier::Enterprise, TESTS, REPORTS);
    let before = resident();
    let (kubeconfig, options) = (Kubeconfig::from_yaml(&way)?, KubeConfigOptions::default());
    let client = Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await?)?;
    let (license, runs) = (world.fleet.license.clone(), world.fleet.runs.clone());
    let begun = Instant::now();
    let (roster, follow) = clusters::watch(client, "kymaros-system", license, runs);
    world.fleet.roster = roster;
    tokio::spawn(follow);
    all_known(&world.fleet).await?;
    println!(
        "{CLUSTERS} other clusters of {TESTS} tests and {} reports: known after {:.1} s; {before} MiB before, {} MiB with all \
         of them",
        TESTS * REPORTS,
        begun.elapsed().as_secs_f64(),
        resident(),
    );
    let app = open(&world).merge(Router::new().route("/nothing", get(|| async { "" })));
    let base = format!("http://{}", serve(app).await);
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(LOAD.connections)
        .http1_only()
        .build()?;
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "p50 ms", "floor", "p99 ms", "floor", "bytes"
    );
    for path in paths() {
        let (own_page, floor_page) = (format!("{base}{path}"), format!("{base}/nothing"));
        let (bytes, own, floor) = compare_pages(LOAD, &client, own_page, floor_page).await?;
        println!(
            "{path:<34} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {bytes:>9}",
            own.at(50),
            floor.at(50),
            own.at(99),
            floor.at(99),
        );
    }
    println!("memory after it: {} MiB, at most {} MiB", resident(), peak());
    Ok(())
}

fn paths() -> Vec<String> {
    [
        "/".to_owned(),
        "/?cluster=c7".to_owned(),
        "/tests".to_owned(),
        "/tests?cluster=local".to_owned(),
        "/tests?sort=-score&cluster=c7".to_owned(),
        "/tests/team-7/shop-7?cluster=c7".to_owned(),
        "/reports/team-7/shop-7-3?cluster=c7".to_owned(),
        format!("/tests/{OPS}/application-0000"),
        "/clusters".to_owned(),
        "/compliance?framework=dora".to_owned(),
        "/api/v1/summary".to_owned(),
        "/api/v1/tests?cluster=c7".to_owned(),
        "/api/v1/tests".to_owned(),
        "/api/v1/reports?limit=100".to_owned(),
        "/api/v1/alerts".to_owned(),
        "/api/v1/clusters".to_owned(),
    ]
    .to_vec()
}

async fn all_known(fleet: &Fleet) -> Result<(), Failure> {
    let is_known = || {
        let others = fleet.others();
        let whole = others.remotes.iter().filter(|remote| {
            let is_reached = matches!(remote.contact.borrow().reached, Reached::Since(_));
            is_reached && remote.tests.len() == TESTS && remote.reports.len() == TESTS * REPORTS
        });
        whole.count() == CLUSTERS
    };
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while !is_known() {
        ticks.tick().await;
        if begun.elapsed() > PATIENCE {
            let view = fleet.view(kymaros::fleet::Scope::All);
            return Err(format!("not known within {PATIENCE:?}: {:?}", fleet.clusters(&view).what).into());
        }
    }
    Ok(())
}

/// The process with the other clusters; it ends with this one.
struct Others(Child);

impl Others {
    /// And the way to the API server whose Secrets name them.
    fn start() -> Result<(Self, String), Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(simulated::ARGUMENT)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let others = Self(child);
        let mut way = String::new();
        BufReader::new(output).read_line(&mut way)?;
        Ok((others, way))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
