//! etcd: the API server's store.

use super::{Component, Ready};
use crate::{places, programs};

pub(super) const CLIENT_URL: &str = "http://127.0.0.1:2379";

pub(super) fn component() -> Component {
    Component::new(
        "etcd",
        programs::program("etcd", "etcd"),
        Ready::Http(format!("{CLIENT_URL}/health")),
    )
    .args([
        "--name=testbed".to_owned(),
        format!("--data-dir={}", places::state_text("etcd")),
        format!("--listen-client-urls={CLIENT_URL}"),
        format!("--advertise-client-urls={CLIENT_URL}"),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=testbed=http://127.0.0.1:2380".to_owned(),
        // The data outlives its process but never the machine, so waiting for the disk is of no use.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ])
}
