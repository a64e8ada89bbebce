//! `cargo xtask cluster`: the test cluster.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command as Process;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use kymaros_testbed::cluster::{self, status::Status};
use kymaros_testbed::{components, places};

use crate::terminal::Terminal;

/// What to do with the test cluster.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start it, or bring it back to health. Builds what is missing; does nothing when all is well.
    Up {
        /// The port on 127.0.0.1 that leads to the API server [default: 16443].
        #[arg(long)]
        port: Option<u16>,
    },
    /// End it and remove every trace. Built programs stay for the next time.
    Down {
        /// Remove the built programs and images as well.
        #[arg(long)]
        purge: bool,
    },
    /// Show its components.
    Status,
    /// Print what a shell needs: `eval "$(cargo xtask cluster env)"`.
    Env,
    /// Show the log of a component, or the last lines of all.
    Logs {
        /// One of those that `status` lists, or `machine`.
        component: Option<String>,
        /// Go on as it grows.
        #[arg(short, long)]
        follow: bool,
    },
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Up { port } => {
            let cluster = cluster::up(port, &Terminal::new()).await?;
            eprintln!("for kubectl, velero and helm: eval \"$(cargo xtask cluster env)\"");
            eprintln!("kubeconfig: {}", cluster.kubeconfig.display());
            Ok(())
        }
        Command::Down { purge } => cluster::down(purge, &Terminal::new()),
        Command::Status => status().await,
        Command::Env => env(),
        Command::Logs { component, follow } => logs(component.as_deref(), follow),
    }
}

async fn status() -> Result<()> {
    let status = cluster::status::status().await?;
    print!("{}", table(&status));
    if !status.is_current {
        println!("\nof another version than this clone's: `cargo xtask cluster up` replaces it");
    }
    if status.broken.is_empty() {
        println!("\nup and healthy");
        return Ok(());
    }
    bail!(
        "not healthy: {}; `cargo xtask cluster up` repairs it",
        status.broken.join(", ")
    );
}

fn table(status: &Status) -> String {
    let mut text = format!(
        "{:<20} {:>8}  {:<6} {:>8} {:>9}\n{:<20} {:>8}\n",
        "COMPONENT", "PID", "READY", "UPTIME", "RESTARTS", "machine", status.machine
    );
    for row in &status.rows {
        let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let ready = if row.ready { "yes" } else { "no" };
        let uptime = row.seconds.map_or_else(|| "-".to_owned(), duration);
        let _ = writeln!(
            text,
            "{:<20} {pid:>8}  {ready:<6} {uptime:>8} {:>9}",
            row.name, row.restarts
        );
    }
    text
}

/// Seconds as people say them: `42s`, `7m`, `3h5m`.
fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}

fn env() -> Result<()> {
    let cluster = cluster::find()?;
    println!("export KUBECONFIG={}", cluster.kubeconfig.display());
    println!("export PATH={}:$PATH", cluster.bin_dir.display());
    Ok(())
}

fn logs(component: Option<&str>, follow: bool) -> Result<()> {
    let known: Vec<&str> = std::iter::once("machine")
        .chain(components::all().iter().map(|component| component.name))
        .collect();
    let files: Vec<PathBuf> = match component {
        Some(name) if known.contains(&name) => vec![places::log(name)],
        Some(name) => bail!("there is no component {name}; there are {}", known.join(", ")),
        None => known
            .into_iter()
            .map(places::log)
            .filter(|path| path.exists())
            .collect(),
    };
    if !files.iter().any(|path| path.exists()) {
        bail!("there is no log; start the cluster with `cargo xtask cluster up`");
    }
    let mut tail = Process::new("tail");
    tail.args(["-n", if component.is_some() { "+1" } else { "20" }]);
    if follow {
        // By name, so that a log that starts anew is followed too.
        tail.arg("-F");
    }
    let status = tail.args(files).status().context("cannot run tail")?;
    if !status.success() {
        bail!("tail ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (11_100, "3h5m"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
