//! containerd with its CRI plugin and the CNI plugins.

use std::path::PathBuf;

use serde_json::json;

use super::{Component, Ready};
use crate::addons::images::PAUSE;
use crate::places;

pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

pub(super) fn component() -> Component {
    let mut component = Component::new(
        "containerd",
        PathBuf::from("containerd"),
        Ready::Socket(PathBuf::from(SOCKET)),
    )
    .args(["--config".to_owned(), places::state_text("containerd.toml")]);
    component.files = vec![
        ("containerd.toml", config()),
        ("cni-config/10-testbed.conflist", network()),
    ];
    component
}

fn config() -> String {
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd"
# They write outside the state folder, or complain about file systems that are not there.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without CAP_SYS_RESOURCE the scores that the kubelet asks for are refused, and with them every pod.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#,
        root = places::state_text("containerd"),
        cni = places::state_text("cni-config"),
    )
}

fn network() -> String {
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "testbed",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": places::POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    format!("{network:#}\n")
}
