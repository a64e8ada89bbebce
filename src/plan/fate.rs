//! What becomes of each kind of object on its way from a backup into a sandbox, and why.

use std::collections::BTreeSet;

use kymaros_webhooks::contain::is_infrastructure;

use super::excluded::EXCLUDED;
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

/// Kinds that admission changes in a sandbox, as it does with everything that has finalizers, a priority or marks of
/// `GitOps` tools.
const REWRITTEN: &[(&str, &[&str])] = &[
    ("suspended: production does this work", &["cronjobs.batch"]),
    (
        "reached from inside the sandbox only: no load balancer, no node port",
        &["services"],
    ),
    (
        "of the lowest priority, without host ports and readiness gates",
        &["pods"],
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
            "gateway.networking.k8s.io/v1alpha2/UDPRoute",
            "networking.istio.io/v1/ServiceEntry",
            "networking.istio.io/v1/WorkloadEntry",
            "cilium.io/v2/CiliumLocalRedirectPolicy",
            "projectcontour.io/v1/HTTPProxy",
            "traefik.io/v1alpha1/IngressRoute",
            "traefik.containo.us/v1alpha1/IngressRouteTCP",
            "getambassador.io/v2/Mapping",
            "k8s.nginx.org/v1/VirtualServer",
            "configuration.konghq.com/v1beta1/TCPIngress",
            "apisix.apache.org/v2/ApisixRoute",
            "gateway.solo.io/v1/VirtualService",
            "zalando.org/v1/RouteGroup",
            "rabbitmq.com/v1beta1/Queue",
            "rabbitmq.com/v1beta1/Policy",
            "jetstream.nats.io/v1beta2/KeyValue",
            "k8s.mariadb.com/v1alpha1/Database",
            "grafana.integreatly.org/v1beta1/GrafanaNotificationPolicy",
            "postgresql.easymile.com/v1alpha1/PostgresqlDatabase",
            "tekton.dev/v1/PipelineRun",
            "batch.volcano.sh/v1alpha1/Job",
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
        for kind in [
            "v1/Secret",
            "v1/ConfigMap",
            "example.com/v1/Ingress",
            "apps/v1/StatefulSet",
            "rabbitmq.com/v1beta1/RabbitmqCluster",
            "grafana.integreatly.org/v1beta1/Grafana",
            "tekton.dev/v1/Pipeline",
        ] {
            assert_eq!(of(kind), Fate::Kept, "{kind}");
        }
        for kind in ["batch/v1/CronJob", "v1/Service", "v1/Pod"] {
            assert!(matches!(of(kind), Fate::Rewritten(_)), "{kind}");
        }
    }
}
