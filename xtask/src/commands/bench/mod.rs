//! `cargo xtask bench`: admission and pages against a handler that does nothing; the time the operator adds to a run, by a stopwatch
//! outside of it; many tests at once; a fleet with its history; its memory; and how messages arrive.

mod crowd;
mod fleet;
mod messages;
mod series;

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, domain::duration, names};
use kymaros_testbed::{
    cluster,
    scene::{Backup, Scene, apply, backup, delete_backup, deploy_shop, unique, wait_ready},
};
use serde_json::json;

use crate::{
    operator::{Build, cargo, deploy},
    terminal::Terminal,
};

const SMALL: &str = include_str!("../../../../tests/story/small.yaml");

/// How much is measured.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Runs of each application
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Tests that are due in the same minute
    #[arg(long, default_value_t = 20)]
    crowd: usize,
    /// Tests of a fleet, each with ten old reports
    #[arg(long, default_value_t = 200)]
    fleet: usize,
    /// Messages to a receiver, each of a run that failed
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// How long that receiver is away in between
    #[arg(long, default_value = "5m", value_parser = duration::parse)]
    receiver_down: Duration,
    /// Only these parts
    only: Vec<Part>,
}

/// What is measured.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// An answer of admission, against a handler that does nothing
    Admission,
    /// Answers of the API over many tests and reports, against a handler that does nothing
    Api,
    /// Pages over many tests and reports, against a handler that does nothing
    Dashboard,
    /// Pages over many other clusters, and the memory they take
    Clusters,
    /// What the operator adds to a run
    Runs,
    /// Many tests due in the same minute, one with a pod that never starts
    Crowd,
    /// Many tests with their history
    Fleet,
    /// Messages to a receiver that is away for a while, from operators that are killed
    Messages,
}

/// Measures and prints.
pub async fn run(args: Args) -> Result<()> {
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let alone = [
        (Part::Admission, "admission"),
        (Part::Api, "api"),
        (Part::Dashboard, "dashboard"),
        (Part::Clusters, "clusters"),
    ];
    for (_, program) in alone.into_iter().filter(|(part, _)| wanted(*part)) {
        cargo(["bench", "--quiet", "--bench", program]).await?;
    }
    let needs_no_cluster = |part: &Part| alone.iter().any(|(other, _)| other == part);
    if !args.only.is_empty() && args.only.iter().all(needs_no_cluster) {
        return Ok(());
    }
    let terminal = Terminal::new();
    let cluster = cluster::up(None, &terminal).await?;
    let client = cluster.client().await?;
    deploy(&cluster, &client, Build::Release, &terminal).await?;
    println!("memory, idle: {}", memory());
    let mut scene = Scene::new().await?;

    let small = scene.namespace("bench-small").await?;
    apply(&client, &small, SMALL).await?;
    wait_ready(&client, &small, "app=small", 1).await?;
    if wanted(Part::Runs) {
        measure(&client, &small, "without a volume", args.runs).await?;
        let shop = scene.namespace("bench-shop").await?;
        deploy_shop(&client, &shop).await?;
        measure(&client, &shop, "with a volume", args.runs).await?;
        println!("memory, after {} runs: {}", args.runs * 2, memory());
    }

    let name = unique("bench");
    backup(&client, &name, &Backup::of(&[&small])).await?;
    if wanted(Part::Crowd) {
        crowd::measure(&mut scene, &small, &name, args.crowd).await?;
        println!("memory, after {} at once: {}", args.crowd, memory());
    }
    if wanted(Part::Fleet) {
        series::serve(&cluster, false)?;
        let measured = fleet::measure(&client, &small, &name, (args.fleet, 10, args.runs)).await;
        series::serve(&cluster, true)?;
        measured?;
    }
    if wanted(Part::Messages) {
        messages::measure(&mut scene, args.messages, args.receiver_down).await?;
    }
    delete_backup(&client, &name).await?;
    Ok(())
}

async fn measure(client: &Client, namespace: &str, what: &str, runs: usize) -> Result<()> {
    let name = unique("bench");
    backup(client, &name, &Backup::of(&[namespace])).await?;
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "bench", "namespace": namespace },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": name, "namespaces": [{ "name": namespace }] },
            "schedule": { "cron": "0 3 1 1 *" }, "suspend": true, "sandbox": { "ttl": "10m" }, "historyLimit": 50,
            "healthChecks": { "settle": "0s" },
        },
    }))?;
    let tests = Api::<RestoreTest>::namespaced(client.clone(), namespace);
    tests.create(&PostParams::default(), &test).await?;
    let watch = Stopwatch::start(client);
    let (mut added, mut restored) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let trigger = json!({ "metadata": { "annotations": { names::TRIGGER_NOW_ANNOTATION: "true" } } });
        tests
            .patch("bench", &PatchParams::default(), &Patch::Merge(&trigger))
            .await?;
        let report = completed(client, namespace, added.len() + 1).await?;
        let (restore, verdict) = watch.times(&report)?;
        restored.push(restore);
        added.push(verdict);
    }
    println!("{what}: a restore takes {}", spread(&mut restored));
    println!(
        "{what}: the operator adds {}; the aim is less than 1000 ms",
        spread(&mut added)
    );
    delete_backup(client, &name).await
}

/// The newest of `count` completed reports.
async fn completed(client: &Client, namespace: &str, count: usize) -> Result<RestoreReport> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), namespace);
    let reports = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut reports = std::pin::pin!(reports);
    let mut seen = BTreeMap::new();
    let wait = async {
        while let Some(report) = reports.try_next().await? {
            if report.status.as_ref().and_then(|s| s.phase) == Some(RunPhase::Completed) {
                seen.insert(report.name_any(), report);
            }
            if seen.len() >= count {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(Duration::from_mins(3), wait)
        .await
        .context("a run did not end")??;
    let newest = seen.into_values().max_by_key(ResourceExt::creation_timestamp);
    newest.context("no report")
}

/// When the outside world saw what.
struct Stopwatch {
    seen: Arc<Mutex<BTreeMap<String, Instant>>>,
    tasks: [tokio::task::JoinHandle<()>; 3],
}

impl Stopwatch {
    fn start(client: &Client) -> Self {
        let seen: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
        let note = |seen: &Arc<Mutex<BTreeMap<String, Instant>>>| {
            let seen = seen.clone();
            move |key: String| {
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(key)
                    .or_insert_with(Instant::now);
            }
        };
        let restores = {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("velero.io", "v1", "Restore"));
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), "velero", &resource);
            let note = note(&seen);
            tokio::spawn(each(watcher(api, watcher::Config::default()), move |restore| {
                match restore.data["status"]["phase"].as_str() {
                    Some("InProgress") => note(format!("restore {} begun", restore.name_any())),
                    Some("Completed" | "PartiallyFailed" | "Failed") => {
                        note(format!("restore {}", restore.name_any()));
                    }
                    _ => {}
                }
            }))
        };
        let pods = {
            let note = note(&seen);
            let labels = watcher::Config::default().labels("app in (small, shop)");
            tokio::spawn(each(
                watcher(Api::<Pod>::all(client.clone()), labels),
                move |pod| {
                    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
                    if conditions
                        .into_iter()
                        .flatten()
                        .any(|c| c.type_ == "Ready" && c.status == "True")
                    {
                        note(format!(
                            "pod {} {}",
                            pod.namespace().unwrap_or_default(),
                            pod.name_any()
                        ));
                    }
                },
            ))
        };
        let reports = {
            let note = note(&seen);
            let all = Api::<RestoreReport>::all(client.clone());
            tokio::spawn(each(watcher(all, watcher::Config::default()), move |report| {
                if report.status.as_ref().is_some_and(|s| s.score.is_some()) {
                    note(format!("verdict {}", report.uid().unwrap_or_default()));
                }
            }))
        };
        Self {
            seen,
            tasks: [restores, pods, reports],
        }
    }

    /// How long the Restore took, and how long after it and the last ready pod the verdict came.
    fn times(&self, report: &RestoreReport) -> Result<(Duration, Duration)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let status = report.status.clone().unwrap_or_default();
        let restore = status.restores.first().context("no restore")?.name.clone();
        let sandbox = status.sandboxes.first().context("no sandbox")?.name.clone();
        let at = |key: &str| {
            seen.get(key)
                .copied()
                .with_context(|| format!("{key} was not seen"))
        };
        let (ended, verdict) = (
            at(&format!("restore {restore}"))?,
            at(&format!("verdict {}", report.uid().unwrap_or_default()))?,
        );
        let begun = at(&format!("restore {restore} begun")).unwrap_or(ended);
        let in_sandbox = format!("pod {sandbox} ");
        let ready = seen
            .iter()
            .filter(|(key, _)| key.starts_with(&in_sandbox))
            .map(|(_, at)| *at)
            .max();
        let all_there = ready.map_or(ended, |ready| ready.max(ended));
        Ok((ended - begun, verdict.saturating_duration_since(all_there)))
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn each<K: Clone + Send>(
    stream: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
    note: impl Fn(&K) + Send,
) {
    let objects = stream.default_backoff().applied_objects();
    let mut objects = std::pin::pin!(objects);
    while let Ok(Some(object)) = objects.try_next().await {
        note(&object);
    }
}

/// How much longer one thing takes than another, by the medians of sorted times.
fn ratio(times: &[Duration], floor: &[Duration]) -> f64 {
    let median = |times: &[Duration]| times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    median(times) / median(floor)
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let millis = |at: usize| times.get(at).map_or(0, Duration::as_millis);
    let last = times.len().saturating_sub(1);
    format!(
        "median {} ms, least {} ms, most {} ms ({} runs)",
        millis(times.len() / 2),
        millis(0),
        millis(last),
        times.len()
    )
}

/// Of sorted times, and of how many of what.
fn percentiles(times: &[Duration], what: &str) -> String {
    let within = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).map_or(0, Duration::as_millis)
    };
    format!(
        "p50 {} ms, p99 {} ms, most {} ms ({} {what})",
        within(50),
        within(99),
        within(100),
        times.len()
    )
}

/// Resident memory of the operator's process, which the kernel of this machine knows.
fn memory() -> String {
    let resident = |folder: fs::DirEntry| -> Option<String> {
        let command = fs::read(folder.path().join("cmdline")).ok()?;
        if !command.starts_with(b"/kymaros\0operator") {
            return None;
        }
        let status = fs::read_to_string(folder.path().join("status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(format!(
            "{:.1} MiB resident",
            f64::from(u32::try_from(kib).ok()?) / 1024.0
        ))
    };
    let found = fs::read_dir("/proc")
        .ok()
        .and_then(|entries| entries.flatten().find_map(resident));
    found.unwrap_or_else(|| "unknown".to_owned())
}
