//! The kinds that a source is looked through for. Kinds that controllers fill by themselves (Endpoints, Leases,
//! Events) are not among them: nobody misses those in a backup. Nor are Jobs: Velero restores none that has finished, and
//! their metadata does not tell which have.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind of the cluster's own API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// As in URLs.
    pub plural: &'static str,
}

impl Kind {
    /// As the client asks for it.
    #[must_use]
    pub fn resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
    }
}

/// Looked at unless `completeness` of a source says otherwise. The operator's rights are declared from this list.
pub const KINDS: &[Kind] = &[
    kind("", "v1", "ConfigMap", "configmaps"),
    kind("", "v1", "LimitRange", "limitranges"),
    kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    kind("", "v1", "Pod", "pods"),
    kind("", "v1", "ReplicationController", "replicationcontrollers"),
    kind("", "v1", "ResourceQuota", "resourcequotas"),
    kind("", "v1", "Service", "services"),
    kind("", "v1", "ServiceAccount", "serviceaccounts"),
    kind("apps", "v1", "DaemonSet", "daemonsets"),
    kind("apps", "v1", "Deployment", "deployments"),
    kind("apps", "v1", "ReplicaSet", "replicasets"),
    kind("apps", "v1", "StatefulSet", "statefulsets"),
    kind(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    kind("batch", "v1", "CronJob", "cronjobs"),
    kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
];

/// Only where the chart's value `completeness.secrets` allows it.
pub const SECRETS: Kind = kind("", "v1", "Secret", "secrets");
