//! How many series the operator's metrics have.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};
use kymaros_testbed::{
    cluster::Cluster,
    scene::{NAMESPACE, RELEASE},
};
use tokio::time::{Instant, interval};

use crate::operator::root;

/// Longest time until tests that are gone are forgotten.
const PATIENCE: Duration = Duration::from_mins(1);

/// Has the metrics served over TLS and to those who may, as the chart does by itself, or as plain text: the API server, by
/// which they are asked for here, hands no token on.
pub fn serve(cluster: &Cluster, secure: bool) -> Result<()> {
    let chart = root().join("charts/kymaros");
    let chart = chart.to_str().context("the path of the chart is no text")?;
    let secure = format!("metrics.secure={secure}");
    let mut args = vec!["upgrade", RELEASE, chart, "--namespace", NAMESPACE];
    args.extend(["--reuse-values", "--set", &secure, "--wait", "--timeout", "2m"]);
    cluster.run("helm", &args)?;
    Ok(())
}

/// The series of the operator that leads: others tell nothing of tests.
pub async fn count(client: &Client) -> Result<usize> {
    Ok(series(client).await?.len())
}

/// Waits until no series is of a test in one of these namespaces.
pub async fn forgotten(client: &Client, namespaces: &[String]) -> Result<()> {
    let labels: Vec<String> = namespaces.iter().map(|name| format!("\"{name}\"")).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let series = series(client).await?;
        let of_them = series
            .iter()
            .find(|line| labels.iter().any(|label| line.contains(label)));
        let Some(of_them) = of_them else { return Ok(()) };
        ensure!(Instant::now() < deadline, "there still is {of_them}");
    }
}

async fn series(client: &Client) -> Result<Vec<String>> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let operators = ListParams::default().labels("app.kubernetes.io/component=operator");
    let mut most = Vec::new();
    let there = pods.list(&operators).await?.items.into_iter();
    // One that goes may serve them in the other way.
    for pod in there.filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let path = format!(
            "/api/v1/namespaces/{NAMESPACE}/pods/{}:8443/proxy/metrics",
            pod.name_any()
        );
        let page = client
            .request_text(http::Request::get(path).body(Vec::new())?)
            .await?;
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let series: Vec<String> = lines.map(str::to_owned).collect();
        if series.len() > most.len() {
            most = series;
        }
    }
    Ok(most)
}
