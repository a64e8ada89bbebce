//! kube-proxy: addresses of Services.

use super::{Component, Ready, kubeconfig, kubernetes};
use crate::places;

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "kube-proxy",
        kubernetes("kube-proxy"),
        Ready::Http("http://127.0.0.1:10256/livez".to_owned()),
    )
    .args([
        format!("--kubeconfig={}", kubeconfig("kube-proxy")),
        "--proxy-mode=iptables".to_owned(),
        format!("--cluster-cidr={}", places::POD_RANGE),
        format!("--hostname-override={}", places::NODE_NAME),
        "--healthz-bind-address=127.0.0.1:10256".to_owned(),
        "--metrics-bind-address=127.0.0.1:10249".to_owned(),
        // The kernel's connection table is the host's, and not ours to size.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-min=0".to_owned(),
    ]);
    component.needs = &["apiserver"];
    component
}
