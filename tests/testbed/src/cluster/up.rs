//! Brings the cluster up, whatever state it is in.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::decide::{Action, decide};
use super::observe::{broken, observe};
use super::{Cluster, client_from, down, existing, host_address, identity, lock, start};
use crate::progress::Progress;
use crate::{addons, host, places, programs};

/// How long a broken part may take to come back by itself.
const HEALING: Duration = Duration::from_secs(10);

/// Brings the cluster up: does nothing if it is healthy, brings back what died, replaces what is of another version,
/// starts it otherwise. Returns when everything works, Velero included.
///
/// The calling program must call [`crate::machine::dispatch`] first in its `main`.
///
/// # Errors
///
/// When the machine lacks something, or a part does not come up; the error says what to do.
pub async fn up(port: Option<u16>, progress: &dyn Progress) -> Result<Cluster> {
    if let Some(cluster) = existing::chosen() {
        progress.step("using the cluster you have");
        return Ok(cluster);
    }
    host::check_rights()?;
    let _lock = lock::acquire(progress)?;
    let started = Instant::now();
    let wanted_port = port.unwrap_or(places::GATEWAY_PORT);
    let mut observed = observe().await;
    // Another port is another cluster, but only when one was asked for.
    if port.is_some() && identity::recorded().is_some_and(|record| record.port != wanted_port) {
        observed.identity = None;
    }
    match decide(&observed, &identity::wanted()) {
        Action::Nothing => {
            progress.step("the test cluster is up and healthy");
            return Ok(Cluster::at_its_place());
        }
        Action::Repair(parts) => {
            progress.step(&format!("bringing back {}", parts.join(", ")));
            match repair(progress).await {
                Ok(()) => {
                    progress.step(&format!(
                        "the test cluster is whole again after {} s",
                        started.elapsed().as_secs()
                    ));
                    return Ok(Cluster::at_its_place());
                }
                Err(error) => progress.step(&format!("that did not help ({error:#}); starting anew")),
            }
        }
        Action::Replace(reason) => progress.step(&format!("{reason}; starting anew")),
        Action::Start => {}
    }
    programs::install_missing(progress)?;
    host::check_kernel()?;
    programs::build_missing(&programs::GROUPS, progress).await?;
    if observed.exists {
        progress.update("removing what is left of the old cluster");
        down::remove()?;
    }
    fresh(wanted_port, progress).await?;
    Ok(Cluster::at_its_place())
}

async fn fresh(port: u16, progress: &dyn Progress) -> Result<()> {
    let started = Instant::now();
    let images = addons::images::write_missing(progress)?;
    start::start(port)?;
    start::wait_for(progress, |name| name == "containerd" || name == "apiserver").await?;
    progress.step(&format!(
        "API server and containerd ready after {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    // Images and objects do not wait for each other: pods that come too early try again.
    let count = images.len();
    let import = async {
        for (index, image) in images.iter().enumerate() {
            progress.update(&format!("importing images: {index} of {count}"));
            addons::images::import(image).await?;
        }
        Ok(())
    };
    tokio::try_join!(import, addons::install_basics())?;
    addons::velero::install().await.context("cannot install Velero")?;
    start::wait_for_components(progress).await?;
    progress.step(&format!(
        "every component ready after {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    let client = client_from(&places::kubeconfig()).await?;
    addons::wait_until_ready(&client, progress).await?;
    identity::record(port)?;
    progress.step(&format!(
        "the test cluster is up after {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// The supervisor starts dead processes again by itself; what was removed from the cluster is installed again.
async fn repair(progress: &dyn Progress) -> Result<()> {
    host_address::add()?;
    start::wait_for_components(progress).await?;
    let started = Instant::now();
    while started.elapsed() < HEALING {
        if broken().await.is_empty() {
            return Ok(());
        }
        progress.update(&format!(
            "waiting for it to heal, {} s",
            started.elapsed().as_secs()
        ));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for image in addons::images::write_missing(progress)? {
        addons::images::import(&image).await?;
    }
    addons::install_basics().await?;
    addons::velero::install().await?;
    let client = client_from(&places::kubeconfig()).await?;
    addons::wait_until_ready(&client, progress).await
}
