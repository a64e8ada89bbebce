//! A real Prometheus reads the operator's metrics and the rules of the chart, as the manual sets them up.

mod helm;
mod host;

use std::{
    collections::BTreeSet,
    fs::File,
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use helm::{object, rendered};
use host::{LOOK, free_addresses, install, metrics_reader, start_with_metrics};
use kymaros_testbed::{lone::ApiServer, programs::prometheus};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest time until Prometheus has read everything once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Prometheus; it ends with the test.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// One that asks `target` with this token, and knows these rules.
    fn start(target: SocketAddr, token: &str, rules: &Value) -> Result<Self> {
        let (folder, [address]) = (tempfile::tempdir()?, free_addresses()?);
        let at = |name: &str| folder.path().join(name);
        let settings = json!({
            "global": { "scrape_interval": "200ms", "evaluation_interval": "200ms" },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{
                "job_name": "kymaros", "scheme": "https", "tls_config": { "insecure_skip_verify": true },
                "authorization": { "credentials_file": at("token") },
                "static_configs": [{ "targets": [target.to_string()] }],
            }],
        });
        // JSON is YAML.
        std::fs::write(at("settings.yaml"), settings.to_string())?;
        std::fs::write(at("rules.yaml"), rules.to_string())?;
        std::fs::write(at("token"), token)?;
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let child = Command::new(prometheus()?)
            .arg(option("config.file", &at("settings.yaml")))
            .arg(option("storage.tsdb.path", &at("data")))
            .arg(format!("--web.listen-address={address}"))
            .stderr(File::create(at("log"))?)
            .spawn()?;
        Ok(Self {
            child,
            address,
            folder,
        })
    }

    /// What it answers, as soon as `good` says so.
    async fn when(&self, path: &str, good: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(LOOK);
        let mut last = String::new();
        while tokio::time::Instant::now() < deadline {
            ticks.tick().await;
            // It may not listen yet.
            let Ok(answer) = reqwest::get(format!("http://{}/api/v1/{path}", self.address)).await else {
                continue;
            };
            last = answer.text().await?;
            match serde_json::from_str::<Value>(&last) {
                Ok(answer) if good(&answer["data"]) => return Ok(answer["data"].clone()),
                _ => {}
            }
        }
        let log = std::fs::read_to_string(self.folder.path().join("log"))?;
        anyhow::bail!("{path} answers {last}\n{log}")
    }
}

/// The names that have a type in what the operator says.
fn named(exposition: &str) -> BTreeSet<String> {
    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_prometheus_knows_every_metric_and_every_rule() -> Result<()> {
    let server = ApiServer::start().await?;
    install(&server)?;
    let (_operator, there) = start_with_metrics(&server, &[]).await?;
    let token = metrics_reader(&server).await?;

    let objects = rendered(&["--set", "metrics.prometheusRule.enabled=true"])?;
    let rules = object(&objects, "PrometheusRule", "kymaros")?["spec"].clone();
    let prometheus = Prometheus::start(there, &token, &rules)?;
    let is_one = |data: &Value| data["result"][0]["value"][1] == "1";
    prometheus.when("query?query=up", is_one).await?;
    prometheus.when("query?query=kymaros_leader", is_one).await?;

    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let exposition = client
        .get(format!("https://{there}/metrics"))
        .bearer_auth(&token)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let said = named(&exposition);
    ensure!(said.len() > 10, "{exposition}");
    let knows_all = |data: &Value| said.iter().all(|name| data.get(name).is_some());
    let known = prometheus.when("metadata", knows_all).await?;
    for name in &said {
        let type_ = known[name][0]["type"].as_str().unwrap_or_default();
        ensure!(
            !["", "unknown", "unspecified"].contains(&type_),
            "{name} has no type"
        );
    }
    let judged = |data: &Value| {
        let groups = data["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let mut rules = groups
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten();
        !groups.is_empty() && rules.all(|rule| rule["health"] == "ok")
    };
    let judged = prometheus.when("rules", judged).await?;
    let count = |groups: &Value| {
        let groups = groups.as_array().context("no groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        Ok::<_, anyhow::Error>(rules.map(Vec::len).sum::<usize>())
    };
    ensure!(count(&judged["groups"])? == count(&rules["groups"])?, "{judged}");
    Ok(())
}
