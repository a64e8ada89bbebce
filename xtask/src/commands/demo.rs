//! `cargo xtask demo`: the main job, start to end, on a real cluster.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use kube::{
    Api, Client,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, RunResult};
use kymaros_testbed::{
    cluster,
    scene::{Backup, Scene, backup, delete_backup, deploy_shop, unique},
};
use serde_json::json;

use crate::{
    operator::{Build, deploy},
    terminal::Terminal,
};

/// How the demo ends.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub own: super::own_cluster::OwnCluster,
    /// Take the cluster down at the end; otherwise it stays for you to look at
    #[arg(long)]
    down: bool,
}

/// Tells the story.
pub async fn run(args: Args) -> Result<()> {
    println!("Kymaros demo: back up a shop with Velero, prove that the backup restores, then damage one.\n");
    let terminal = Terminal::new();
    let cluster = step("A Kubernetes cluster with Velero", cluster::up(None, &terminal)).await?;
    let client = cluster.client().await?;
    step(
        "The operator, built from this clone and deployed",
        deploy(&cluster, &client, Build::Checked, &terminal),
    )
    .await?;
    let mut scene = Scene::new().await?;
    let shop = scene.namespace("shop").await?;
    step(
        "A shop: web front end and PostgreSQL with 25 orders on a volume",
        deploy_shop(&client, &shop),
    )
    .await?;

    let healthy = story(&client, &shop, "healthy", &Backup::of(&[&shop])).await?;
    if healthy != Some(RunResult::Pass) {
        bail!("the healthy backup did not pass");
    }
    println!(
        "\nNow a backup that looks just as good to Velero (Completed), but without the database's volume.\n"
    );
    let damaged = story(
        &client,
        &shop,
        "damaged",
        &Backup::of(&[&shop]).without_volume_data(),
    )
    .await?;
    if damaged == Some(RunResult::Pass) {
        bail!("the damaged backup passed");
    }
    println!("\nBoth verdicts are true: the good backup passed, the damaged one did not.");
    drop(scene);
    if args.down {
        step("Taking the cluster down", async {
            cluster::down(false, &Terminal::new())
        })
        .await?;
    } else {
        println!("\nWhat to try next:");
        println!("  eval \"$(cargo xtask cluster env)\"     # kubectl, velero and helm for this cluster");
        println!("  kubectl get rt,rr -A                  # tests and reports");
        println!("  cargo xtask test                      # all tests");
        println!("  cargo xtask cluster down              # leave nothing behind");
    }
    Ok(())
}

async fn step<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    println!("▸ {what}");
    let done = work.await.with_context(|| format!("{what}: failed"))?;
    println!("  ✔ {:.1} s", begun.elapsed().as_secs_f64());
    Ok(done)
}

/// Takes a backup, tests it, follows the run and shows the report.
async fn story(client: &Client, shop: &str, name: &str, what: &Backup) -> Result<Option<RunResult>> {
    let backup_name = unique(name);
    let phase = step(
        &format!("Backup {backup_name}"),
        backup(client, &backup_name, what),
    )
    .await?;
    println!("  Velero says: {phase}");
    let psql = [
        "psql",
        "-h",
        "/tmp",
        "-U",
        "shop",
        "-d",
        "shop",
        "-Atc",
        "select count(*) from orders",
    ];
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": shop },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": backup_name, "namespaces": [{ "name": shop }] },
            "schedule": { "cron": "0 3 * * *" },
            "sandbox": { "ttl": "15m" },
            "sla": { "maxRTO": "2m" },
            "healthChecks": { "settle": "3s", "timeout": "3m", "checks": [
                { "name": "the shop serves its orders", "type": "httpGet",
                  "httpGet": { "service": "web", "port": 80, "path": "/cgi-bin/orders", "expectedStatus": 200 } },
                { "name": "the database listens", "type": "tcpSocket", "tcpSocket": { "service": "db", "port": 5432 } },
                { "name": "all 25 orders are there", "type": "exec", "required": true,
                  "exec": { "podSelector": { "component": "db" }, "command": psql, "stdoutMatches": "^25\\s*$" } },
            ] },
        },
    }))?;
    println!("▸ RestoreTest {name}: the operator runs it at once");
    let begun = Instant::now();
    Api::<RestoreTest>::namespaced(client.clone(), shop)
        .create(&PostParams::default(), &test)
        .await?;
    let followed = tokio::time::timeout(Duration::from_mins(5), follow(client, shop, name, begun));
    let report = followed
        .await
        .context("the run did not end within five minutes")??;
    anstream::println!("\n{}", indented(&kymaros::report::text(&report)?));
    delete_backup(client, &backup_name).await?;
    Ok(report.status.and_then(|s| s.result))
}

/// Prints each phase as it comes, until the run is over.
async fn follow(client: &Client, shop: &str, name: &str, begun: Instant) -> Result<RestoreReport> {
    let api = Api::<RestoreReport>::namespaced(client.clone(), shop);
    let reports = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut reports = std::pin::pin!(reports);
    let mut last = None;
    while let Some(report) = reports.try_next().await? {
        if report.spec.test_ref != name {
            continue;
        }
        let status = report.status.clone().unwrap_or_default();
        if status.phase != last {
            last = status.phase;
            println!("  {:>5.1} s  {}", begun.elapsed().as_secs_f64(), words(&report));
        }
        if status.phase == Some(RunPhase::Completed) {
            return Ok(report);
        }
    }
    bail!("the watch over reports ended")
}

fn words(report: &RestoreReport) -> String {
    let status = report.status.clone().unwrap_or_default();
    let sandboxes: Vec<_> = status.sandboxes.iter().map(|s| s.name.as_str()).collect();
    match status.phase {
        None | Some(RunPhase::Queued) => "queued".to_owned(),
        Some(RunPhase::Preparing) => "preparing: choosing the backup, making a closed sandbox".to_owned(),
        Some(RunPhase::Restoring) => format!("restoring into {}", sandboxes.join(", ")),
        Some(RunPhase::Starting) => "starting: Velero is done, waiting for workloads".to_owned(),
        Some(RunPhase::Checking) => "checking, through port-forward and exec".to_owned(),
        Some(RunPhase::Judging) => "judging".to_owned(),
        Some(RunPhase::CleaningUp) => {
            let verdict = status.message.unwrap_or_default();
            format!("verdict: {verdict}\n           cleaning up")
        }
        Some(RunPhase::Completed) => "completed: the sandbox is gone".to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines()
        .fold(String::new(), |text, line| text + "    " + line + "\n")
}
