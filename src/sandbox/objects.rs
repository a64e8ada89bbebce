//! The objects that fence a sandbox in: pure builders.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec},
        networking::v1::{
            IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
            NetworkPolicyPort, NetworkPolicySpec,
        },
        rbac::v1::{RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use kymaros_crds::{
    domain::{Isolation, Quota},
    names,
};

use super::naming::RunIdentity;
use crate::velero::types::EXCLUDE_FROM_BACKUP_LABEL;

/// Names of the policies that fence a sandbox in, by its isolation.
pub const OWN_POLICIES: [&str; 2] = ["deny-all", "allow-group"];

/// Everything needed to make one sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxPlan {
    /// The namespace to make.
    pub name: String,
    /// The source namespace it stands for.
    pub source: String,
    /// The run it belongs to.
    pub identity: RunIdentity,
    /// Limits of the sandbox.
    pub quota: Quota,
    /// Who may talk to whom.
    pub isolation: Isolation,
    /// When it goes, whatever happens.
    pub expires_at: Timestamp,
}

/// Who the operator, or the account that uninstalls it, is to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its user name, for example `system:serviceaccount:kymaros-system:kymaros`.
    pub username: String,
    /// The `ClusterRole` with its rights inside a sandbox.
    pub sandbox_role: String,
}

impl Operator {
    /// What gives it these rights in the namespace where it stands.
    #[must_use]
    pub fn binding(&self, metadata: ObjectMeta) -> RoleBinding {
        RoleBinding {
            metadata,
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: "ClusterRole".to_owned(),
                name: self.sandbox_role.clone(),
            },
            subjects: Some(vec![Subject {
                api_group: Some("rbac.authorization.k8s.io".to_owned()),
                kind: "User".to_owned(),
                name: self.username.clone(),
                namespace: None,
            }]),
        }
    }
}

impl SandboxPlan {
    /// The namespace. `baseline` refuses host paths, host networks and privileged pods; the label keeps the sandbox
    /// out of everybody's backups.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let mut labels = self.identity.labels();
        for (key, value) in [
            (names::SOURCE_NAMESPACE_LABEL, self.source.as_str()),
            (EXCLUDE_FROM_BACKUP_LABEL, "true"),
            ("pod-security.kubernetes.io/enforce", "baseline"),
            ("pod-security.kubernetes.io/warn", "baseline"),
            ("istio-injection", "disabled"),
            // Linkerd heeds no label of its own here: its webhook is not asked where this one is.
            ("config.linkerd.io/admission-webhooks", "disabled"),
            ("kuma.io/sidecar-injection", "disabled"),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let expires = (
            names::EXPIRES_AT_ANNOTATION.to_owned(),
            self.expires_at.to_string(),
        );
        Namespace {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(labels),
                annotations: Some(BTreeMap::from([expires])),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        }
    }

    /// Nothing in, nothing out, but DNS and traffic inside the sandbox; with `group` also between the sandboxes of
    /// this run. One policy, since policies are a union of allows. `resolvers` are where the kubelet sends pods for names.
    #[must_use]
    pub fn network_policy(&self, resolvers: &[IpAddr]) -> NetworkPolicy {
        let mut inside = vec![NetworkPolicyPeer {
            pod_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        }];
        let name = match self.isolation {
            Isolation::Strict => OWN_POLICIES[0],
            Isolation::Group => {
                inside.push(NetworkPolicyPeer {
                    namespace_selector: Some(matching(names::RUN_UID_LABEL, &self.identity.uid)),
                    ..NetworkPolicyPeer::default()
                });
                OWN_POLICIES[1]
            }
        };
        NetworkPolicy {
            metadata: self.inner_metadata(name),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(LabelSelector::default()),
                policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
                ingress: Some(vec![NetworkPolicyIngressRule {
                    from: Some(inside.clone()),
                    ports: None,
                }]),
                egress: Some(vec![
                    NetworkPolicyEgressRule {
                        to: Some(inside),
                        ports: None,
                    },
                    dns(resolvers),
                ]),
            }),
        }
    }

    /// The quota: processor and memory as requests, and no way to a node port or a load balancer. Limits are not
    /// counted: 0.6.9 did, and five containers that state none, and get those of the [limit range](Self::limit_range),
    /// did not fit into two processors.
    #[must_use]
    pub fn resource_quota(&self) -> ResourceQuota {
        let quota = &self.quota;
        let pods = quota.pods.to_string();
        let hard = [
            ("requests.cpu", quota.cpu.as_str()),
            ("requests.memory", &quota.memory),
            ("requests.storage", &quota.storage),
            ("pods", &pods),
            ("services.nodeports", "0"),
            ("services.loadbalancers", "0"),
        ];
        ResourceQuota {
            metadata: self.inner_metadata("sandbox-quota"),
            spec: Some(ResourceQuotaSpec {
                hard: Some(
                    hard.iter()
                        .map(|(k, v)| ((*k).to_owned(), Quantity((*v).to_owned())))
                        .collect(),
                ),
                ..ResourceQuotaSpec::default()
            }),
            status: None,
        }
    }

    /// Defaults for containers that state nothing, since the quota refuses those: a small request, and the whole quota as
    /// the limit. A smaller limit would kill or slow down what is well in production, and forbid requests above it.
    #[must_use]
    pub fn limit_range(&self) -> LimitRange {
        let quantities = |cpu: &str, memory: &str| {
            Some(BTreeMap::from([
                ("cpu".to_owned(), Quantity(cpu.to_owned())),
                ("memory".to_owned(), Quantity(memory.to_owned())),
            ]))
        };
        LimitRange {
            metadata: self.inner_metadata("sandbox-limits"),
            spec: Some(LimitRangeSpec {
                limits: vec![LimitRangeItem {
                    type_: "Container".to_owned(),
                    default: quantities(&self.quota.cpu, &self.quota.memory),
                    default_request: quantities(self.quota.least_cpu(), self.quota.least_memory()),
                    ..LimitRangeItem::default()
                }],
            }),
        }
    }

    /// Gives the operator its rights inside this sandbox: it holds none of them elsewhere.
    #[must_use]
    pub fn role_binding(&self, operator: &Operator) -> RoleBinding {
        operator.binding(self.inner_metadata("kymaros"))
    }

    fn inner_metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.name.clone()),
            labels: Some(self.identity.labels()),
            ..ObjectMeta::default()
        }
    }
}

fn matching(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        match_expressions: None,
    }
}

/// The cluster's DNS: `CoreDNS` or kube-dns in kube-system, the cache on each node, and `OpenShift`'s own, which listens on
/// 5353; and by their addresses those that are no pods.
fn dns(resolvers: &[IpAddr]) -> NetworkPolicyEgressRule {
    let peer = |namespace: &str, pods: LabelSelector| NetworkPolicyPeer {
        namespace_selector: Some(matching("kubernetes.io/metadata.name", namespace)),
        pod_selector: Some(pods),
        ip_block: None,
    };
    let port = |protocol: &str, port: i32| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port)),
        end_port: None,
    };
    let pods = [
        peer("kube-system", matching("k8s-app", "kube-dns")),
        peer("kube-system", matching("k8s-app", "node-local-dns")),
        peer(
            "openshift-dns",
            matching("dns.operator.openshift.io/daemonset-dns", "default"),
        ),
    ];
    let addresses = resolvers.iter().map(|address| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: match address {
                IpAddr::V4(_) => format!("{address}/32"),
                IpAddr::V6(_) => format!("{address}/128"),
            },
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    });
    NetworkPolicyEgressRule {
        to: Some(pods.into_iter().chain(addresses).collect()),
        ports: Some(vec![
            port("UDP", 53),
            port("TCP", 53),
            port("UDP", 5353),
            port("TCP", 5353),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(isolation: Isolation) -> SandboxPlan {
        SandboxPlan {
            name: "sb".into(),
            source: "shop".into(),
            identity: RunIdentity {
                run: "r".into(),
                uid: "u".into(),
                test: "t".into(),
                namespace: "n".into(),
                attempt: 1,
            },
            quota: Quota {
                cpu: "2".into(),
                memory: "4Gi".into(),
                storage: "10Gi".into(),
                pods: 20,
            },
            isolation,
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_part_of_the_quota_counts() {
        let plan = plan(Isolation::Strict);
        let hard = plan.resource_quota().spec.unwrap().hard.unwrap();
        let hard: Vec<(&str, &str)> = hard.iter().map(|(k, v)| (k.as_str(), v.0.as_str())).collect();
        assert_eq!(
            hard,
            [
                ("pods", "20"),
                ("requests.cpu", "2"),
                ("requests.memory", "4Gi"),
                ("requests.storage", "10Gi"),
                ("services.loadbalancers", "0"),
                ("services.nodeports", "0"),
            ]
        );
        let limits = plan.limit_range().spec.unwrap().limits.remove(0).default.unwrap();
        let limits: Vec<(&str, &str)> = limits.iter().map(|(k, v)| (k.as_str(), v.0.as_str())).collect();
        assert_eq!(limits, [("cpu", "2"), ("memory", "4Gi")]);
    }

    #[test]
    fn strict_lets_out_nothing_but_dns() {
        let resolver = "169.254.20.10".parse().unwrap();
        let policy = plan(Isolation::Strict).network_policy(&[resolver]);
        let spec = policy.spec.unwrap();
        assert_eq!(spec.policy_types.unwrap(), ["Ingress", "Egress"]);
        let egress = spec.egress.unwrap();
        assert_eq!(egress.len(), 2);
        let inside = egress[0].to.as_ref().unwrap();
        assert!(
            inside.iter().all(|p| p.namespace_selector.is_none()),
            "own namespace only"
        );
        assert!(egress[1].ports.is_some(), "DNS ports only");
        let asked = egress[1].to.as_ref().unwrap();
        let blocks = asked.iter().filter_map(|p| p.ip_block.as_ref());
        let blocks: Vec<&str> = blocks.map(|block| block.cidr.as_str()).collect();
        assert_eq!(
            blocks,
            ["169.254.20.10/32"],
            "one that is no pod, and nobody beside it"
        );
        let ingress = spec.ingress.unwrap();
        assert!(
            ingress[0]
                .from
                .as_ref()
                .unwrap()
                .iter()
                .all(|p| p.namespace_selector.is_none())
        );
    }

    #[test]
    fn group_reaches_the_sandboxes_of_the_same_run_only() {
        let spec = plan(Isolation::Group).network_policy(&[]).spec.unwrap();
        let peers = spec.ingress.unwrap().remove(0).from.unwrap();
        let selector = peers.iter().find_map(|p| p.namespace_selector.as_ref()).unwrap();
        assert_eq!(selector.match_labels.as_ref().unwrap()[names::RUN_UID_LABEL], "u");
    }
}
