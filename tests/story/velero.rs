//! Velero's server, stopped in the middle of what it does.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use kymaros::velero::Restore;
use kymaros_crds::names;
use kymaros_testbed::{
    scene::VELERO,
    signals::{find, signal},
};

/// The host's id of the Velero server.
pub fn server() -> Result<String> {
    let is_server = |words: &[&str]| matches!(words, [program, "server", ..] if program.ends_with("/velero"));
    Ok(find("the Velero server", is_server)?.swap_remove(0))
}

fn is_running(restore: &Restore) -> bool {
    let phase = restore.status.as_ref().and_then(|s| s.phase.clone());
    phase.is_some_and(|phase| format!("{phase:?}").contains("InProgress"))
}

/// Stops Velero in the middle of the next Restore of a run; the Restore's name.
pub async fn stop_in_the_middle(client: &Client, velero: &str) -> Result<String> {
    let restores = Api::<Restore>::namespaced(client.clone(), VELERO);
    let ours = format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY);
    let mut seen = watcher(restores.clone(), watcher::Config::default().labels(&ours))
        .default_backoff()
        .applied_objects()
        .boxed();
    let running = async {
        while let Some(restore) = seen.next().await {
            if let Some(restore) = restore.ok().filter(is_running) {
                return Ok(restore.name_any());
            }
        }
        bail!("the watch ended")
    };
    let running = tokio::time::timeout(Duration::from_mins(2), running)
        .await
        .context("no restore begins")??;
    signal("-STOP", velero)?;
    ensure!(
        is_running(&restores.get(&running).await?),
        "the restore had ended before Velero was stopped: the story was not told"
    );
    Ok(running)
}
