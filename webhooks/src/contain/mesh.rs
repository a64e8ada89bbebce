//! Pods with the sidecar of a service mesh. It was put in beside the application, waits for a control plane that no sandbox
//! reaches, and takes all traffic of its pod: neither comes up. A controller makes the pod again, and that one has no sidecar
//! unless its template says so: by the labels of a sandbox Istio, Linkerd and Kuma stay out.

use std::collections::BTreeMap;

use kube::{ResourceExt, core::admission::Operation};

use crate::request::{Request, target};

/// Annotations of pods that got a sidecar, and of which mesh.
const SIDECARS: [(&str, &str); 4] = [
    ("sidecar.istio.io/status", "Istio"),
    ("linkerd.io/proxy-version", "Linkerd"),
    ("consul.hashicorp.com/connect-inject-status", "Consul"),
    ("kuma.io/sidecar-injected", "Kuma"),
];

/// Labels that controllers put on the pods which they make: a restore takes off the owner and leaves them.
const MADE: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// The mesh whose sidecar a pod has.
#[must_use]
pub fn sidecar_of(annotations: &BTreeMap<String, String>) -> Option<&'static str> {
    let mut sidecars = SIDECARS.iter();
    sidecars
        .find(|(by, _)| annotations.contains_key(*by))
        .map(|(_, mesh)| *mesh)
}

/// Velero puts this init container into a pod of which it fills volumes, and fills them through no other pod.
pub const WAITS_FOR_DATA: &str = "restore-wait";

/// The same of a pod that its controller makes again, and of which Velero fills no volume.
pub(super) fn to_be_remade(request: &Request) -> Option<&'static str> {
    let target = target(request);
    if (target.group, target.resource, target.subresource) != ("", "pods", "")
        || request.operation != Operation::Create
    {
        return None;
    }
    let pod = request.object.as_ref()?;
    let first = pod.data["spec"]["initContainers"].as_array();
    let is_filled = first
        .into_iter()
        .flatten()
        .any(|container| container["name"] == WAITS_FOR_DATA);
    let is_made = MADE.iter().any(|label| pod.labels().contains_key(*label));
    sidecar_of(pod.annotations()).filter(|_| is_made && !is_filled)
}
