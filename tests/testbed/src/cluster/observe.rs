//! Looks at what is there.

use std::time::Duration;

use super::decide::Observed;
use super::{host_address, identity};
use crate::machine::{processes, status};
use crate::{addons, cluster, places};

/// What is there now.
pub async fn observe() -> Observed {
    let machine_alive = processes::init().is_some();
    let record = identity::recorded();
    let complete = record.is_some();
    Observed {
        exists: machine_alive || std::path::Path::new(places::STATE).exists(),
        machine_alive,
        complete,
        identity: record.map(|record| record.identity),
        broken: if machine_alive && complete {
            broken().await
        } else {
            Vec::new()
        },
    }
}

/// What does not work: components first; only with all of them can the rest be asked.
pub async fn broken() -> Vec<String> {
    let components = status::read().unwrap_or_default();
    let dead: Vec<String> = components
        .iter()
        .filter(|component| !component.ready)
        .map(|component| component.name.clone())
        .collect();
    if components.is_empty() {
        return vec!["every component".to_owned()];
    }
    if !dead.is_empty() {
        return dead;
    }
    if !host_address::is_local() {
        return vec!["the node's address on the host".to_owned()];
    }
    let Ok(client) = cluster::client_from(&places::kubeconfig()).await else {
        return vec!["the kubeconfig".to_owned()];
    };
    tokio::time::timeout(Duration::from_secs(10), addons::missing(&client))
        .await
        .unwrap_or_else(|_| vec!["the API server".to_owned()])
}
