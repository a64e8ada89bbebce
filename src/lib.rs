//! Kymaros proves, again and again, that Velero backups can be restored.
//!
//! Data flows one way: watches fill stores, `observe` takes a snapshot, `decide` (pure) says what follows, `act` does
//! it, and the API server tells everybody. Start reading at [`run::decide`].

pub mod access;
pub mod admission;
pub mod api;
pub mod checks;
pub mod clusters;
pub mod commands;
pub mod condition;
pub mod dashboard;
pub mod fleet;
pub mod history;
pub mod leader;
pub mod license;
pub mod logs;
pub mod metrics;
pub mod notify;
pub mod plan;
pub mod rbac;
pub mod reach;
pub mod reason;
pub mod refusal;
pub mod report;
mod retry;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod source;
pub mod stored;
pub mod telemetry;
pub mod uninstall;
pub mod velero;
pub mod verdict;
pub mod watches;
pub mod workloads;
