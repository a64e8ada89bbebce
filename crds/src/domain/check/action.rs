//! What a health check does.

use std::{collections::BTreeMap, time::Duration};

use super::pattern::Pattern;

/// What a health check does.
#[derive(Clone, Debug)]
pub enum CheckAction {
    /// Enough pods are ready.
    PodStatus {
        /// Labels of the pods; empty: all pods.
        selector: BTreeMap<String, String>,
        /// How many.
        min_ready: u32,
        /// How long to wait; 60 seconds by default.
        timeout: Duration,
    },
    /// A Service answers an HTTP request.
    HttpGet {
        /// The Service.
        service: String,
        /// The Service's port.
        port: u16,
        /// Path and query; begins with a slash.
        path: String,
        /// The wanted status.
        expected_status: u16,
        /// How long one try may take; 10 seconds by default.
        timeout: Duration,
        /// How often `timeout` fits into the time in which it is tried again; at least 1.
        retries: u32,
    },
    /// A Service accepts a connection.
    TcpSocket {
        /// The Service.
        service: String,
        /// The Service's port.
        port: u16,
        /// How long to try; 10 seconds by default.
        timeout: Duration,
    },
    /// A command in a container.
    Exec {
        /// Labels of the pods; empty: all pods.
        selector: BTreeMap<String, String>,
        /// The container; `None`: the pod's first.
        container: Option<String>,
        /// Command and arguments; never empty.
        command: Vec<String>,
        /// The wanted exit code.
        success_exit_code: i32,
        /// What standard output must match.
        stdout_matches: Option<Pattern>,
        /// How long it may take; 10 seconds by default.
        timeout: Duration,
    },
    /// Objects exist.
    ResourceExists {
        /// The objects; never empty.
        resources: Vec<ResourceRef>,
        /// How long to wait; 10 seconds by default.
        timeout: Duration,
    },
}

/// An object by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRef {
    /// Its kind, such as `Secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Regular expressions are equal when their texts are.
impl PartialEq for CheckAction {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
