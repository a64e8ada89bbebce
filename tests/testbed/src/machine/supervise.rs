//! Starts the components, each once those it needs are ready, and starts again what ends.

use std::fs::{self, File};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::join_all;
use jiff::Timestamp;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::gateway;
use super::probe::Prober;
use super::status::{self, ComponentStatus};
use crate::components::{self, Component};
use crate::places;

/// Between two looks at a component that is not ready.
const STARTING: Duration = Duration::from_millis(50);
/// Between two looks at one that is.
const STEADY: Duration = Duration::from_secs(2);
/// A component that ends sooner than this is started again with a delay.
const SHORT_LIFE: Duration = Duration::from_secs(5);

type Board = watch::Sender<Vec<ComponentStatus>>;

pub async fn run() -> Result<()> {
    gateway::start()?;
    fs::create_dir_all(places::state("logs"))?;
    fs::create_dir_all(places::state("tmp"))?;
    let components = components::all();
    let waiting = components
        .iter()
        .map(|component| ComponentStatus::waiting(component.name));
    let (board, changes) = watch::channel(waiting.collect());
    let board = Arc::new(board);
    let prober = Arc::new(Prober::new()?);
    tokio::spawn(publish(changes));
    join_all(
        components
            .into_iter()
            .map(|component| keep(component, Arc::clone(&board), Arc::clone(&prober))),
    )
    .await;
    Ok(())
}

/// Writes the status file after each change.
async fn publish(mut changes: watch::Receiver<Vec<ComponentStatus>>) {
    loop {
        let components = changes.borrow_and_update().clone();
        if let Err(error) = status::write(&components) {
            eprintln!("cannot write the status: {error:#}");
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps one component running for ever.
async fn keep(component: Component, board: Arc<Board>, prober: Arc<Prober>) {
    wait_for(&component, &board).await;
    loop {
        let started = Instant::now();
        match spawn(&component) {
            Ok(child) => {
                let ended = live(child, &component, &board, &prober).await;
                eprintln!(
                    "{}: ended after {:?}: {ended:?}",
                    component.name,
                    started.elapsed()
                );
            }
            Err(error) => eprintln!("{}: {error:#}", component.name),
        }
        change(&board, component.name, |status| {
            status.pid = None;
            status.ready = false;
            status.restarts += 1;
        });
        if started.elapsed() < SHORT_LIFE {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Waits until what the component needs is ready.
async fn wait_for(component: &Component, board: &Board) {
    let mut changes = board.subscribe();
    // The sender lives as long as we do.
    let _ = changes
        .wait_for(|all| {
            component
                .needs
                .iter()
                .all(|needed| all.iter().any(|other| other.name == *needed && other.ready))
        })
        .await;
}

fn spawn(component: &Component) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(places::log(component.name))
        .context("cannot open the log")?;
    Command::new(&component.program)
        .args(&component.args)
        .envs(component.env.iter().map(|(name, value)| (name, value)))
        .env("TMPDIR", places::state("tmp"))
        .env("HOME", places::state("tmp"))
        .current_dir(places::STATE)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", component.program.display()))
}

/// Watches a running component until it ends.
async fn live(
    mut child: Child,
    component: &Component,
    board: &Board,
    prober: &Prober,
) -> std::io::Result<ExitStatus> {
    change(board, component.name, |status| {
        status.pid = child.id();
        status.started = Some(Timestamp::now());
    });
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            ended = child.wait() => return ended,
            () = tokio::time::sleep(pause) => {
                let ready = prober.is_ready(&component.ready).await;
                change(board, component.name, |status| status.ready = ready);
                pause = if ready { STEADY } else { STARTING };
            }
        }
    }
}

fn change(board: &Board, name: &str, change: impl FnOnce(&mut ComponentStatus)) {
    board.send_if_modified(|all| {
        let Some(status) = all.iter_mut().find(|status| status.name == name) else {
            return false;
        };
        let before = status.clone();
        change(status);
        *status != before
    });
}
