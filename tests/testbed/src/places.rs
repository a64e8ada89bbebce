//! Where everything lives. The places are fixed, not in the clone: there is one test cluster on a machine, and every
//! clone finds the same one.

use std::path::{Path, PathBuf};

/// Programs and images; survives `down`.
pub const CACHE: &str = "/var/cache/kymaros-testbed";
/// Everything that belongs to the running cluster; gone after `down`.
pub const STATE: &str = "/var/lib/kymaros-testbed";
/// Serialises `up` and `down` of all clones. Outside the state folder, because that one comes and goes.
pub const LOCK: &str = "/run/kymaros-testbed.lock";
/// The control group of everything in pods, in every cgroup v1 hierarchy.
pub const CGROUP: &str = "kymaros-testbed";
/// The address of the node, on a link of its own in the machine's network namespace.
pub const NODE_ADDRESS: &str = "10.200.0.1";
/// The name of the node.
pub const NODE_NAME: &str = "testbed";
/// Addresses of pods.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// Addresses of Services.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The address of the cluster's DNS.
pub const DNS_ADDRESS: &str = "10.96.0.10";
/// The port of the API server on the node's address.
pub const API_PORT: u16 = 6443;
/// The port of the S3 server on the node's address.
pub const S3_PORT: u16 = 7070;
/// The port on the node's address where the S3 server answers over TLS, with a certificate of the cluster's authority.
pub const S3_TLS_PORT: u16 = 7071;
/// The port on the host's loopback address that leads to the API server, unless told otherwise.
pub const GATEWAY_PORT: u16 = 16443;

/// Folders that programs use by fixed names. In the machine each is a mount of a folder of its own, and the host's is
/// untouched. Those that the host lacks are made as empty folders and removed by `down`.
pub const COVERED: [(&str, &str); 3] = [
    ("/var/lib/kubelet", "kubelet"),
    ("/var/lib/cni", "cni"),
    ("/var/log", "var-log"),
];

/// A path in the state folder.
#[must_use]
pub fn state(path: &str) -> PathBuf {
    Path::new(STATE).join(path)
}

/// A path in the state folder, as text for command lines and configuration files.
#[must_use]
pub fn state_text(path: &str) -> String {
    format!("{STATE}/{path}")
}

/// A path in the cache.
#[must_use]
pub fn cache(path: &str) -> PathBuf {
    Path::new(CACHE).join(path)
}

/// The kubeconfig for users and tests on the host.
#[must_use]
pub fn kubeconfig() -> PathBuf {
    state("kubeconfig")
}

/// The copy of the program that runs the machine. A copy, because the original is rebuilt while the cluster runs.
#[must_use]
pub fn machine_program() -> PathBuf {
    state("machine")
}

/// Links to the programs of the running cluster.
#[must_use]
pub fn bin() -> PathBuf {
    state("bin")
}

/// A component's log.
#[must_use]
pub fn log(component: &str) -> PathBuf {
    state("logs").join(format!("{component}.log"))
}

/// What the API server records of the operator's requests, one JSON object a line.
#[must_use]
pub fn audit_log() -> PathBuf {
    state("logs").join("audit.log")
}
