//! What each pod may send and receive: the sum of all policies, without anything of a particular firewall.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicySpec,
};

use super::intervals::Intervals;
use super::peers;
use super::ports::{self, Ports};
use super::selectors;
use super::snapshot::{Pod, Snapshot};

/// One thing that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Who is on the other side.
    pub peers: Intervals,
    /// What the receiving side may be reached at.
    pub ports: Ports,
}

/// Everything that is allowed in one direction, by the address of the pod. A pod that is not listed is not isolated
/// and may do anything; one with an empty list may do nothing.
pub type Isolated = BTreeMap<Ipv4Addr, Vec<Allow>>;

/// Who may reach whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled {
    /// The addresses that pods get.
    pub pod_range: Intervals,
    /// Those that belong to a pod now.
    pub pods: Intervals,
    /// What isolated pods may receive.
    pub ingress: Isolated,
    /// What isolated pods may send.
    pub egress: Isolated,
}

/// Adds up all policies.
#[must_use]
pub fn compile(snapshot: &Snapshot) -> Compiled {
    let mut compiled = Compiled {
        pod_range: snapshot.pod_range.clone(),
        pods: Intervals::addresses(snapshot.pods.iter().flat_map(|pod| pod.addresses.iter().copied())),
        ..Compiled::default()
    };
    for policy in &snapshot.policies {
        let Some(spec) = &policy.spec else { continue };
        let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
        let types = Types::of(spec);
        let mut egress: Option<Vec<Allow>> = None;
        for pod in snapshot.pods.iter().filter(|pod| selects(policy, pod)) {
            if types.ingress {
                let rules = spec.ingress.iter().flatten();
                let allowed: Vec<Allow> = rules
                    .filter_map(|rule| ingress(rule, namespace, pod, snapshot))
                    .collect();
                add(&mut compiled.ingress, pod, &allowed);
            }
            if types.egress {
                // The same for every pod that the policy selects.
                let allowed = egress.get_or_insert_with(|| {
                    let rules = spec.egress.iter().flatten();
                    rules
                        .flat_map(|rule| self::egress(rule, namespace, snapshot))
                        .collect()
                });
                add(&mut compiled.egress, pod, allowed);
            }
        }
    }
    compiled
}

/// What a policy is about.
struct Types {
    ingress: bool,
    egress: bool,
}

impl Types {
    fn of(spec: &NetworkPolicySpec) -> Self {
        match &spec.policy_types {
            Some(types) if !types.is_empty() => Self {
                ingress: types.iter().any(|name| name == "Ingress"),
                egress: types.iter().any(|name| name == "Egress"),
            },
            // Without types: ingress always, egress when there is a rule for it.
            _ => Self {
                ingress: true,
                egress: spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
            },
        }
    }
}

fn selects(policy: &NetworkPolicy, pod: &Pod) -> bool {
    let selector = policy.spec.as_ref().and_then(|spec| spec.pod_selector.as_ref());
    policy.metadata.namespace.as_deref() == Some(&pod.namespace)
        && selector.is_none_or(|selector| selectors::matches(selector, &pod.labels))
}

/// What the rule allows the pod to receive. Ports by name are the pod's own.
fn ingress(
    rule: &NetworkPolicyIngressRule,
    namespace: &str,
    pod: &Pod,
    snapshot: &Snapshot,
) -> Option<Allow> {
    let allow = Allow {
        peers: peers::addresses(rule.from.as_deref(), namespace, snapshot),
        ports: ports::numbers(rule.ports.as_deref(), Some(pod)),
    };
    (!allow.is_nothing()).then_some(allow)
}

/// What the rule allows to be sent. Ports by name are those of each receiving pod, so only pods have them.
fn egress(rule: &NetworkPolicyEgressRule, namespace: &str, snapshot: &Snapshot) -> Vec<Allow> {
    let peers = peers::addresses(rule.to.as_deref(), namespace, snapshot);
    let mut allowed = Vec::new();
    for pod in &snapshot.pods {
        let meant = pod
            .addresses
            .iter()
            .copied()
            .filter(|address| peers.contains((*address).into()));
        allowed.push(Allow {
            peers: Intervals::addresses(meant),
            ports: ports::named(rule.ports.as_deref(), pod),
        });
    }
    allowed.push(Allow {
        peers,
        ports: ports::numbers(rule.ports.as_deref(), None),
    });
    allowed.retain(|allow| !allow.is_nothing());
    allowed
}

fn add(isolated: &mut Isolated, pod: &Pod, allowed: &[Allow]) {
    for address in &pod.addresses {
        // Also without anything to add: that a policy selects the pod isolates it.
        isolated.entry(*address).or_default().extend_from_slice(allowed);
    }
}

impl Allow {
    fn is_nothing(&self) -> bool {
        self.peers.is_none() || self.ports.is_none()
    }
}

#[cfg(test)]
mod tests;
