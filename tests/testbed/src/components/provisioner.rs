//! The provisioner of volumes: folders of the node.

use serde_json::json;

use super::{Component, Ready, kubeconfig};
use crate::addons::images::BUSYBOX;
use crate::{places, programs};

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "provisioner",
        programs::program("provisioner", "local-path-provisioner"),
        Ready::Running,
    )
    .args([
        "start".to_owned(),
        format!("--kubeconfig={}", kubeconfig("provisioner")),
        format!("--config={}", places::state_text("provisioner.json")),
        format!("--helper-pod-file={}", places::state_text("provisioner-pod.yaml")),
        format!("--helper-image={BUSYBOX}"),
        "--service-account-name=default".to_owned(),
        "--namespace=kube-system".to_owned(),
    ]);
    component.env = vec![
        ("NODE_NAME", places::NODE_NAME.to_owned()),
        ("POD_NAMESPACE", "kube-system".to_owned()),
    ];
    component.needs = &["apiserver"];
    component.files = vec![("provisioner.json", config()), ("provisioner-pod.yaml", pod())];
    component
}

fn config() -> String {
    let config = json!({"nodePathMap": [{
        "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES",
        "paths": [places::state_text("volumes")],
    }]});
    format!("{config:#}\n")
}

/// The pod that makes and removes the folder of a volume.
fn pod() -> String {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {
            "priorityClassName": "system-node-critical",
            // Its work is done when its shell ends; nothing is waited for.
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "helper-pod", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent"}],
        },
    });
    format!("{pod:#}\n")
}
