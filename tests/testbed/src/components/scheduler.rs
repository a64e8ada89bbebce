//! The scheduler.

use super::{Component, Ready, kubeconfig, kubernetes};

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "scheduler",
        kubernetes("kube-scheduler"),
        Ready::Http("https://127.0.0.1:10259/healthz".to_owned()),
    )
    .args([
        format!("--kubeconfig={}", kubeconfig("scheduler")),
        format!("--authentication-kubeconfig={}", kubeconfig("scheduler")),
        format!("--authorization-kubeconfig={}", kubeconfig("scheduler")),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
    ]);
    component.needs = &["apiserver"];
    component
}
