//! The running cluster, for people.

use anyhow::Result;
use jiff::Timestamp;

use super::{NotRunning, identity, observe};
use crate::machine::{processes, status as recorded};

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The component.
    pub name: String,
    /// Its process id on this machine.
    pub pid: Option<u32>,
    /// Whether it does its work.
    pub ready: bool,
    /// How long it runs.
    pub seconds: Option<i64>,
    /// How often it was started again.
    pub restarts: u32,
}

/// The running cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The machine's first process.
    pub machine: u32,
    /// Its components.
    pub rows: Vec<Row>,
    /// What does not work, in words.
    pub broken: Vec<String>,
    /// Whether it is the cluster that this program would start.
    pub is_current: bool,
}

/// Looks at the running cluster.
///
/// # Errors
///
/// When it does not run.
pub async fn status() -> Result<Status> {
    let machine = processes::init().ok_or(NotRunning::Down)?;
    let host_ids = processes::host_ids(machine);
    let now = Timestamp::now();
    let rows = recorded::read()?
        .into_iter()
        .map(|component| Row {
            pid: component.pid.and_then(|pid| host_ids.get(&pid).copied()),
            ready: component.ready,
            seconds: component
                .pid
                .and(component.started)
                .map(|started| now.as_second() - started.as_second()),
            restarts: component.restarts,
            name: component.name,
        })
        .collect();
    let mut broken = observe::broken().await;
    if !identity::is_complete() {
        broken.push("its start has not come to its end".to_owned());
    }
    Ok(Status {
        machine,
        rows,
        broken,
        is_current: identity::recorded().is_none_or(|record| record.identity == identity::wanted()),
    })
}
