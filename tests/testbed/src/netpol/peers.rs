//! Who is on the other side of a rule, as addresses.

use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicyPeer};

use super::intervals::Intervals;
use super::selectors::matches;
use super::snapshot::{Pod, Snapshot};

/// The addresses that a rule of a policy in `namespace` names. Without peers it names everybody.
#[must_use]
pub fn addresses(peers: Option<&[NetworkPolicyPeer]>, namespace: &str, snapshot: &Snapshot) -> Intervals {
    match peers {
        None | Some([]) => Intervals::all(),
        Some(peers) => peers
            .iter()
            .map(|peer| one(peer, namespace, snapshot))
            .fold(Intervals::none(), |all, next| all.union(&next)),
    }
}

fn one(peer: &NetworkPolicyPeer, namespace: &str, snapshot: &Snapshot) -> Intervals {
    if let Some(block) = &peer.ip_block {
        return of_block(block);
    }
    if peer.namespace_selector.is_none() && peer.pod_selector.is_none() {
        // The API server admits no such peer; a rule that is not understood allows nobody.
        return Intervals::none();
    }
    let pods = snapshot
        .pods
        .iter()
        .filter(|pod| is_meant(peer, namespace, pod, snapshot));
    Intervals::addresses(pods.flat_map(|pod| pod.addresses.iter().copied()))
}

fn is_meant(peer: &NetworkPolicyPeer, namespace: &str, pod: &Pod, snapshot: &Snapshot) -> bool {
    let in_namespace = match &peer.namespace_selector {
        None => pod.namespace == namespace,
        Some(selector) => snapshot
            .namespaces
            .get(&pod.namespace)
            .is_some_and(|labels| matches(selector, labels)),
    };
    in_namespace
        && peer
            .pod_selector
            .as_ref()
            .is_none_or(|selector| matches(selector, &pod.labels))
}

/// The addresses of a block. One that cannot be read has none, IPv6 first of all: pods have no such address here.
fn of_block(block: &IPBlock) -> Intervals {
    let read = |cidr: &str| Intervals::block(cidr).unwrap_or_default();
    let excepted = block.except.iter().flatten().map(|cidr| read(cidr));
    let excepted = excepted.fold(Intervals::none(), |all, next| all.union(&next));
    read(&block.cidr).without(&excepted)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use super::*;

    fn pod(namespace: &str, app: &str, address: &str) -> Pod {
        Pod {
            namespace: namespace.to_owned(),
            labels: [("app".to_owned(), app.to_owned())].into(),
            addresses: [address.parse().unwrap()].into(),
            ports: Vec::new(),
        }
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            pods: vec![
                pod("shop", "web", "10.244.0.2"),
                pod("shop", "db", "10.244.0.3"),
                pod("other", "web", "10.244.0.4"),
                // Its namespace is not known yet.
                pod("new", "web", "10.244.0.5"),
            ],
            namespaces: [
                ("shop".to_owned(), [("team".to_owned(), "a".to_owned())].into()),
                ("other".to_owned(), [("team".to_owned(), "b".to_owned())].into()),
            ]
            .into(),
            ..Snapshot::default()
        }
    }

    fn found(peers: &Value) -> Intervals {
        let peers: Option<Vec<NetworkPolicyPeer>> = serde_json::from_value(peers.clone()).unwrap();
        addresses(peers.as_deref(), "shop", &snapshot())
    }

    #[test]
    fn pods_and_namespaces_are_selected() {
        let app = |name: &str| json!({ "matchLabels": { "app": name } });
        let team = |name: &str| json!({ "matchLabels": { "team": name } });
        for (peers, expected) in [
            (json!([{ "podSelector": {} }]), vec![2, 3]),
            (json!([{ "podSelector": app("web") }]), vec![2]),
            (json!([{ "podSelector": app("none") }]), vec![]),
            (json!([{ "namespaceSelector": {} }]), vec![2, 3, 4]),
            (json!([{ "namespaceSelector": team("b") }]), vec![4]),
            (json!([{ "namespaceSelector": team("c") }]), vec![]),
            // Both in one peer: both have to be met. Two peers: one is enough.
            (
                json!([{ "namespaceSelector": team("a"), "podSelector": app("web") }]),
                vec![2],
            ),
            (
                json!([{ "namespaceSelector": team("b"), "podSelector": app("db") }]),
                vec![],
            ),
            (
                json!([{ "namespaceSelector": team("b") }, { "podSelector": app("db") }]),
                vec![3, 4],
            ),
            (json!([{}]), vec![]),
        ] {
            let expected = expected.into_iter().map(|last| Ipv4Addr::new(10, 244, 0, last));
            assert_eq!(found(&peers), Intervals::addresses(expected), "{peers}");
        }
    }

    #[test]
    fn absent_peers_are_everybody() {
        assert!(found(&json!(null)).is_all());
        assert!(found(&json!([])).is_all());
    }

    #[test]
    fn blocks_have_holes() {
        let block = |cidr: &str, except: &[&str]| json!([{ "ipBlock": { "cidr": cidr, "except": except } }]);
        let ten = Intervals::block("10.0.0.0/8").unwrap();
        let hole = Intervals::block("10.1.0.0/16").unwrap();
        assert!(found(&block("0.0.0.0/0", &[])).is_all());
        assert_eq!(found(&block("10.0.0.0/8", &["10.1.0.0/16"])), ten.without(&hole));
        // Holes within holes.
        assert_eq!(
            found(&block(
                "10.0.0.0/8",
                &["10.1.2.0/24", "10.1.0.0/16", "10.1.2.3/32"]
            )),
            ten.without(&hole)
        );
        assert!(found(&block("10.0.0.0/8", &["10.0.0.0/8"])).is_none());
        assert!(found(&block("fd00::/8", &[])).is_none());
        // An allowed block fills the hole of another peer.
        let both = json!([
            { "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } },
            { "ipBlock": { "cidr": "10.1.0.0/16" } },
        ]);
        assert_eq!(found(&both), ten);
    }
}
