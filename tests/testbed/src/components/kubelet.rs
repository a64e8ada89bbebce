//! The kubelet of the one node.

use serde_json::json;

use super::{Component, Ready, containerd, kubeconfig, kubernetes, pki};
use crate::places::{self, CGROUP, DNS_ADDRESS, NODE_ADDRESS, NODE_NAME};

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "kubelet",
        kubernetes("kubelet"),
        Ready::Http("http://127.0.0.1:10248/healthz".to_owned()),
    )
    .args([
        format!("--config={}", places::state_text("kubelet.json")),
        format!("--kubeconfig={}", kubeconfig("kubelet")),
        format!("--hostname-override={NODE_NAME}"),
        format!("--node-ip={NODE_ADDRESS}"),
    ]);
    component.needs = &["apiserver", "containerd"];
    component.files = vec![
        ("kubelet.json", config()),
        // No name server beyond the cluster's own: there is no way out.
        ("resolv.conf", "# empty on purpose\n".to_owned()),
    ];
    component
}

fn config() -> String {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki("kubelet.crt"),
        "tlsPrivateKeyFile": pki("kubelet.key"),
        "containerRuntimeEndpoint": format!("unix://{}", containerd::SOCKET),
        "cgroupDriver": "cgroupfs",
        // A group of our own, so that `down` knows what to remove.
        "cgroupRoot": format!("/{CGROUP}"),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": places::state_text("resolv.conf"),
        "volumePluginDir": places::state_text("volume-plugins"),
        "maxPods": 500,
        // Nothing can be pulled again, so nothing is ever collected or evicted.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "imagefs.available": "0%",
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "serializeImagePulls": false,
    });
    format!("{config:#}\n")
}
