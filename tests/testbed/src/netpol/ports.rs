//! The ports of a rule, as numbers.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::intervals::Intervals;
use super::snapshot::Pod;

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Reads the name that the API uses; absent means TCP.
    #[must_use]
    pub fn from_api(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }

    /// The name that nftables uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// What a rule allows to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Everything, also protocols without ports.
    All,
    /// These ports of these protocols.
    These(BTreeMap<Protocol, Intervals>),
}

impl Ports {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::These(ports) if ports.is_empty())
    }
}

/// All ports of a protocol.
pub const EVERY: (u32, u32) = (0, u16::MAX as u32);

/// The ports of a rule by number; ports by name are those of `pod`, or left out without a pod. Without ports the
/// rule is about everything.
#[must_use]
pub fn numbers(ports: Option<&[NetworkPolicyPort]>, pod: Option<&Pod>) -> Ports {
    let ports = match ports {
        None | Some([]) => return Ports::All,
        Some(ports) => ports,
    };
    collect(
        ports
            .iter()
            .filter_map(|port| Some((Protocol::from_api(port.protocol.as_deref())?, one(port, pod)?))),
    )
}

/// Only the ports that a rule gives by name, as `pod` numbers them.
#[must_use]
pub fn named(ports: Option<&[NetworkPolicyPort]>, pod: &Pod) -> Ports {
    let named = ports
        .into_iter()
        .flatten()
        .filter(|port| matches!(port.port, Some(IntOrString::String(_))));
    collect(named.filter_map(|port| {
        Some((
            Protocol::from_api(port.protocol.as_deref())?,
            one(port, Some(pod))?,
        ))
    }))
}

fn one(port: &NetworkPolicyPort, pod: Option<&Pod>) -> Option<Intervals> {
    let protocol = Protocol::from_api(port.protocol.as_deref())?;
    match &port.port {
        None => Some(Intervals::range(EVERY.0, EVERY.1)),
        Some(IntOrString::Int(first)) => {
            let first = u16::try_from(*first).ok()?;
            let last = port
                .end_port
                .map_or(Some(first), |last| u16::try_from(last).ok())?;
            Some(Intervals::range(first.into(), last.into()))
        }
        Some(IntOrString::String(name)) => {
            let number = pod?.port(name, protocol)?.into();
            Some(Intervals::range(number, number))
        }
    }
}

fn collect(ports: impl Iterator<Item = (Protocol, Intervals)>) -> Ports {
    let mut by_protocol: BTreeMap<Protocol, Intervals> = BTreeMap::new();
    for (protocol, numbers) in ports.filter(|(_, numbers)| !numbers.is_none()) {
        let all = by_protocol.entry(protocol).or_default();
        *all = all.union(&numbers);
    }
    Ports::These(by_protocol)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::netpol::snapshot::NamedPort;

    fn pod() -> Pod {
        let port = |name: &str, protocol, number| NamedPort {
            name: name.to_owned(),
            protocol,
            number,
        };
        Pod {
            ports: vec![port("http", Protocol::Tcp, 8080), port("dns", Protocol::Udp, 53)],
            ..Pod::default()
        }
    }

    fn parse(ports: &Value) -> Option<Vec<NetworkPolicyPort>> {
        serde_json::from_value(ports.clone()).unwrap()
    }

    fn these(ports: &[(Protocol, u32, u32)]) -> Ports {
        collect(
            ports
                .iter()
                .map(|&(protocol, first, last)| (protocol, Intervals::range(first, last))),
        )
    }

    #[test]
    fn ports_are_numbers_ranges_and_names() {
        use Protocol::{Sctp, Tcp, Udp};
        for (ports, expected) in [
            (json!(null), Ports::All),
            (json!([]), Ports::All),
            (json!([{ "port": 80 }]), these(&[(Tcp, 80, 80)])),
            (
                json!([{ "port": 80, "protocol": "UDP" }]),
                these(&[(Udp, 80, 80)]),
            ),
            (json!([{ "port": 80, "endPort": 90 }]), these(&[(Tcp, 80, 90)])),
            (json!([{ "port": 80, "endPort": 80 }]), these(&[(Tcp, 80, 80)])),
            (
                json!([{ "port": 80, "endPort": 90 }, { "port": 85 }]),
                these(&[(Tcp, 80, 90)]),
            ),
            (
                json!([{ "port": 80 }, { "port": 81 }, { "port": 90 }]),
                these(&[(Tcp, 80, 81), (Tcp, 90, 90)]),
            ),
            (json!([{ "protocol": "SCTP" }]), these(&[(Sctp, 0, 65535)])),
            (json!([{}]), these(&[(Tcp, 0, 65535)])),
            (json!([{ "port": "http" }]), these(&[(Tcp, 8080, 8080)])),
            (
                json!([{ "port": "dns", "protocol": "UDP" }]),
                these(&[(Udp, 53, 53)]),
            ),
            // A name is one of a protocol, and names that a pod does not have are no ports.
            (json!([{ "port": "dns" }]), these(&[])),
            (json!([{ "port": "none" }]), these(&[])),
            (json!([{ "port": 70000 }]), these(&[])),
            (json!([{ "port": 80, "endPort": 70 }]), these(&[])),
            (json!([{ "port": 80, "protocol": "ICMP" }]), these(&[])),
        ] {
            assert_eq!(
                numbers(parse(&ports).as_deref(), Some(&pod())),
                expected,
                "{ports}"
            );
        }
    }

    #[test]
    fn names_can_be_told_from_numbers() {
        let ports = parse(&json!([{ "port": "http" }, { "port": 443 }, { "protocol": "UDP" }]));
        assert_eq!(
            named(ports.as_deref(), &pod()),
            these(&[(Protocol::Tcp, 8080, 8080)])
        );
        let without_names = these(&[(Protocol::Tcp, 443, 443), (Protocol::Udp, 0, 65535)]);
        assert_eq!(numbers(ports.as_deref(), None), without_names);
        assert!(named(None, &pod()).is_none());
    }
}
