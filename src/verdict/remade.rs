//! Pods that the cluster refused, and whose controllers made others: nothing is missing, and what fails there fails by itself.

use super::{SourceEvidence, failure::subject, volumes::pod_of};
use crate::{
    run::observed::Came,
    velero::results::ObjectId,
    workloads::{Workload, WorkloadState},
};
use kymaros_crds::Cause;

/// What makes pods, and calls each after itself with something behind it: a number, or five letters.
const CONTROLLERS: [&str; 4] = ["ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"];
/// What Kubernetes makes names of (`SafeEncodeString` of apimachinery).
const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";

impl SourceEvidence<'_> {
    /// Whether a pod was refused by the sandbox or its cluster, and its workload is ready without it or fails for what no
    /// refusal explains. Data that Velero would have brought back through it is missing all the same.
    pub(super) fn is_remade(&self, came: Option<&Came>, namespace: &str, pod: &ObjectId) -> bool {
        let is_refused = || {
            let refused = self.failure_of(namespace, pod);
            refused.is_some_and(|(cause, _)| cause == Cause::Sandbox)
        };
        let workload = || self.workload_of(came?, namespace, pod);
        pod.short_kind() == "Pod"
            && !self.fills_through(namespace, pod)
            && is_refused()
            && workload().is_some_and(was_made_again)
    }

    /// Whether the backup has data of a volume that came through this pod. One without a claim tells no namespace.
    fn fills_through(&self, namespace: &str, pod: &ObjectId) -> bool {
        let mut volumes = self.contents.into_iter().flat_map(|contents| &contents.volumes);
        volumes.any(|volume| {
            (volume.pvc_namespace.is_empty() || volume.pvc_namespace == namespace)
                && pod_of(volume).as_ref() == Some(pod)
        })
    }

    /// The workload that makes a pod. A backup does not tell owners, so it goes by the names of what it holds.
    fn workload_of<'a>(&self, came: &'a Came, namespace: &str, pod: &ObjectId) -> Option<&'a Workload> {
        let held = self.contents?.objects.get(namespace)?;
        let controller = held.iter().find(|object| makes(object, &pod.name))?;
        let above = controller.name.rsplit_once('-');
        let above = above.filter(|_| controller.short_kind() == "ReplicaSet");
        let objects = [
            Some(controller.display()),
            above.map(|(deployment, _)| format!("Deployment/{deployment}")),
        ];
        let mut workloads = came.workloads.iter().filter(|w| w.source == namespace);
        workloads.find(|w| objects.iter().flatten().any(|object| *object == w.object))
    }

    /// The pod that an error of the Restore is about, with its source namespace.
    pub(super) fn refused_pod(&self, message: &str) -> Option<(&str, ObjectId)> {
        let [resource, sandbox, name] = subject(message)?;
        let (namespace, _) = self.mapping.iter().find(|(_, of)| *of == sandbox)?;
        let pod = ObjectId {
            kind: "v1/Pod".to_owned(),
            name: name.to_owned(),
        };
        (resource == "pods").then_some((namespace.as_str(), pod))
    }
}

/// Whether others came in the place of pods that were refused. One that cannot even begin was made, unless it is the sandbox
/// that keeps it away.
fn was_made_again(workload: &Workload) -> bool {
    match &workload.state {
        WorkloadState::Hopeless(trouble) => trouble.cause != Cause::Sandbox,
        _ => workload.is_ready(),
    }
}

/// Whether this is a controller that calls a pod of its own so.
fn makes(object: &ObjectId, pod: &str) -> bool {
    let rest = pod.strip_prefix(&object.name);
    let rest = rest.and_then(|rest| rest.strip_prefix('-'));
    let cut = object.cut_name().and_then(|base| pod.strip_prefix(base));
    match object.short_kind() {
        "StatefulSet" => {
            rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        }
        kind => CONTROLLERS.contains(&kind) && [rest, cut].into_iter().flatten().any(is_made_up),
    }
}

fn is_made_up(letters: &str) -> bool {
    letters.len() == 5 && letters.chars().all(|c| LETTERS.contains(c))
}
