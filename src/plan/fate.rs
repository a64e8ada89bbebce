//! What becomes of each kind of object on its way from a backup into a sandbox, and why.

use std::collections::BTreeSet;

use kymaros_webhooks::contain::is_infrastructure;

use crate::velero::{
    kinds,
    results::{BackupContents, ObjectId},
};

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes back as it was.
    Kept,
    /// It comes back without what would reach out of the sandbox; how.
    Rewritten(&'static str),
    /// It does not come back; why.
    Excluded(&'static str),
}

/// Kinds that never come back into a sandbox, with the reason: they would reach out of it, defeat its fences, double
/// production's work, or are remade by controllers. Velero resolves the names by discovery and ignores kinds the
/// cluster does not have.
const EXCLUDED: &[(&str, &[&str])] = &[
    (
        "would lead to production, or let somebody in",
        &[
            "endpoints",
            "endpointslices.discovery.k8s.io",
            "ingresses.networking.k8s.io",
            "httproutes.gateway.networking.k8s.io",
            "grpcroutes.gateway.networking.k8s.io",
            "tlsroutes.gateway.networking.k8s.io",
            "tcproutes.gateway.networking.k8s.io",
            "gateways.gateway.networking.k8s.io",
            "routes.route.openshift.io",
            "virtualservices.networking.istio.io",
            "gateways.networking.istio.io",
            "dnsendpoints.externaldns.k8s.io",
            "targetgroupbindings.elbv2.k8s.aws",
        ],
    ),
    (
        "would open the sandbox: policies are a union of allows",
        &[
            "networkpolicies.networking.k8s.io",
            "ciliumnetworkpolicies.cilium.io",
            "fqdnnetworkpolicies.networking.gke.io",
            "applicationnetworkpolicies.networking.k8s.aws",
        ],
    ),
    (
        "would open the sandbox: it may allow what the policy of the sandbox denies, and is asked first",
        &[
            // As Calico's API server serves them, and as they are stored.
            "networkpolicies.projectcalico.org",
            "networkpolicies.crd.projectcalico.org",
            "networkpolicies.crd.antrea.io",
        ],
    ),
    (
        "the sandbox has its own limits",
        &[
            "resourcequotas",
            "limitranges",
            "priorityclasses.scheduling.k8s.io",
        ],
    ),
    (
        "would do production's work a second time",
        &[
            "jobs.batch",
            "leases.coordination.k8s.io",
            "horizontalpodautoscalers.autoscaling",
            "verticalpodautoscalers.autoscaling.k8s.io",
            "scaledobjects.keda.sh",
            "scaledjobs.keda.sh",
            "poddisruptionbudgets.policy",
        ],
    ),
    (
        "monitoring would alert on the copy",
        &[
            "servicemonitors.monitoring.coreos.com",
            "podmonitors.monitoring.coreos.com",
            "prometheusrules.monitoring.coreos.com",
        ],
    ),
    (
        "certificates would be ordered again",
        &[
            "certificates.cert-manager.io",
            "certificaterequests.cert-manager.io",
            "orders.acme.cert-manager.io",
            "challenges.acme.cert-manager.io",
            "issuers.cert-manager.io",
        ],
    ),
    (
        "makes objects that the backup holds themselves",
        &[
            "externalsecrets.external-secrets.io",
            "pushsecrets.external-secrets.io",
            "sealedsecrets.bitnami.com",
            "applications.argoproj.io",
            "applicationsets.argoproj.io",
            "kustomizations.kustomize.toolkit.fluxcd.io",
            "helmreleases.helm.toolkit.fluxcd.io",
        ],
    ),
    (
        "a test beside what it tests must not test its own copy",
        &[
            "restoretests.restore.kymaros.io",
            "restorereports.restore.kymaros.io",
            "healthcheckpolicies.restore.kymaros.io",
        ],
    ),
    ("tells of production", &["events"]),
];

/// Kinds that admission changes in a sandbox, as it does with everything that has finalizers, a priority or marks of
/// `GitOps` tools.
const REWRITTEN: &[(&str, &[&str])] = &[
    ("suspended: production does this work", &["cronjobs.batch"]),
    (
        "reached from inside the sandbox only: no load balancer, no node port",
        &["services"],
    ),
    (
        "of the lowest priority, and without finalizers",
        &[
            "pods",
            "replicationcontrollers",
            "deployments.apps",
            "statefulsets.apps",
            "daemonsets.apps",
            "replicasets.apps",
        ],
    ),
];

/// Why objects of some groups do not come back.
const INFRASTRUCTURE: &str = "stands for something outside of the cluster, which its copy would take over";

/// What a Restore leaves out, as Velero names kinds. Those that stand for something outside of the cluster are known by
/// their groups only, so they are taken from the backup.
#[must_use]
pub fn excluded_resources(contents: Option<&BackupContents>) -> Vec<String> {
    let known = EXCLUDED
        .iter()
        .flat_map(|(_, resources)| resources.iter().copied());
    let held = contents
        .into_iter()
        .flat_map(|contents| contents.objects.values().flatten());
    let outside = held.filter(|object| is_infrastructure(object.group()));
    // Velero finds a kind by its singular name, too.
    let singular = |object: &ObjectId| format!("{}.{}", object.short_kind().to_lowercase(), object.group());
    let outside: BTreeSet<String> = outside.map(singular).collect();
    known.map(str::to_owned).chain(outside).collect()
}

/// What becomes of an object.
#[must_use]
pub fn fate(object: &ObjectId) -> Fate {
    let reason = |table: &[(&'static str, &[&str])]| {
        table
            .iter()
            .find(|(_, resources)| resources.iter().any(|r| kinds::is_resource_of(r, object)))
            .map(|(reason, _)| *reason)
    };
    if let Some(why) = reason(EXCLUDED) {
        return Fate::Excluded(why);
    }
    if is_infrastructure(object.group()) {
        return Fate::Excluded(INFRASTRUCTURE);
    }
    reason(REWRITTEN).map_or(Fate::Kept, Fate::Rewritten)
}

#[cfg(test)]
mod tests {
    use kymaros_webhooks::neutralise::POLICIES;

    use super::*;

    fn of(kind: &str) -> Fate {
        fate(&ObjectId {
            kind: kind.into(),
            name: "x".into(),
        })
    }

    #[test]
    fn kinds_that_reach_out_stay_out() {
        for kind in [
            "v1/Endpoints",
            "discovery.k8s.io/v1/EndpointSlice",
            "networking.k8s.io/v1/NetworkPolicy",
            "cilium.io/v2/CiliumNetworkPolicy",
            "projectcalico.org/v3/NetworkPolicy",
            "crd.projectcalico.org/v1/NetworkPolicy",
            "crd.antrea.io/v1beta1/NetworkPolicy",
            "networking.gke.io/v1alpha1/FQDNNetworkPolicy",
            "networking.k8s.aws/v1alpha1/ApplicationNetworkPolicy",
            "networking.k8s.io/v1/Ingress",
            "v1/ResourceQuota",
            "batch/v1/Job",
            "restore.kymaros.io/v1alpha1/RestoreTest",
            "sql.cnrm.cloud.google.com/v1beta1/SQLInstance",
        ] {
            assert!(matches!(of(kind), Fate::Excluded(_)), "{kind}");
        }
    }

    /// Velero takes a name without a group for the first kind of that name.
    #[test]
    fn kinds_of_the_same_name_are_left_out_one_by_one() {
        let all = excluded_resources(None);
        let policies: Vec<_> = all
            .iter()
            .filter(|name| name.contains("networkpolicies"))
            .collect();
        assert_eq!(
            policies,
            [
                "networkpolicies.networking.k8s.io",
                "ciliumnetworkpolicies.cilium.io",
                "fqdnnetworkpolicies.networking.gke.io",
                "applicationnetworkpolicies.networking.k8s.aws",
                "networkpolicies.projectcalico.org",
                "networkpolicies.crd.projectcalico.org",
                "networkpolicies.crd.antrea.io",
            ]
        );
        // None that admission has to close is let through here, and the other way round.
        let closed = POLICIES.map(|(group, resource)| format!("{resource}.{group}"));
        let closed: BTreeSet<&String> = closed.iter().collect();
        assert_eq!(policies.into_iter().collect::<BTreeSet<_>>(), closed);
        assert_eq!(of("example.com/v1/NetworkPolicy"), Fate::Kept);
    }

    #[test]
    fn what_stands_for_something_outside_is_left_out_by_name() {
        let kinds = serde_json::json!({ "sql.cnrm.cloud.google.com/v1beta1/SQLInstance": ["shop/a", "shop/b"],
            "v1/Secret": ["shop/c"] });
        let contents = BackupContents::new(&serde_json::from_value(kinds).unwrap(), Vec::new());
        let all = excluded_resources(Some(&contents));
        assert_eq!(
            all.last().map(String::as_str),
            Some("sqlinstance.sql.cnrm.cloud.google.com")
        );
        assert_eq!(
            all.len(),
            excluded_resources(None).len() + 1,
            "once, and nothing else"
        );
    }

    #[test]
    fn what_is_harmless_comes_back() {
        for kind in ["v1/Secret", "v1/ConfigMap", "example.com/v1/Ingress"] {
            assert_eq!(of(kind), Fate::Kept, "{kind}");
        }
        for kind in ["batch/v1/CronJob", "v1/Service", "apps/v1/Deployment"] {
            assert!(matches!(of(kind), Fate::Rewritten(_)), "{kind}");
        }
    }
}
