//! The controllers of Kubernetes itself.

use super::{Component, Ready, kubeconfig, kubernetes, pki};
use crate::places;

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "controller-manager",
        kubernetes("kube-controller-manager"),
        Ready::Http("https://127.0.0.1:10257/healthz".to_owned()),
    )
    .args([
        format!("--kubeconfig={}", kubeconfig("controller-manager")),
        format!("--authentication-kubeconfig={}", kubeconfig("controller-manager")),
        format!("--authorization-kubeconfig={}", kubeconfig("controller-manager")),
        "--bind-address=127.0.0.1".to_owned(),
        // There is no second one to be elected.
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--root-ca-file={}", pki("ca.crt")),
        format!("--service-account-private-key-file={}", pki("sa.key")),
        format!("--cluster-signing-cert-file={}", pki("ca.crt")),
        format!("--cluster-signing-key-file={}", pki("ca.key")),
        format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
        // The CNI plugin hands out addresses; the one node needs no block of its own.
        "--allocate-node-cidrs=false".to_owned(),
        format!("--cluster-cidr={}", places::POD_RANGE),
        format!(
            "--flex-volume-plugin-dir={}",
            places::state_text("volume-plugins")
        ),
    ]);
    component.needs = &["apiserver"];
    component
}
