//! Which addresses the operator connects to for others. Whoever writes a Secret must not reach through the operator what
//! only its pod can: itself, the node's link, or the cloud's metadata, which gives out credentials.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Addresses without TLS too.
    pub http: bool,
    /// This very machine too.
    pub loopback: bool,
}

impl Reach {
    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.allows_v4(ip),
            IpAddr::V6(ip) => self.allows_v6(ip),
        }
    }

    fn allows_v4(self, ip: Ipv4Addr) -> bool {
        /// Metadata and platform services of clouds outside of 169.254.0.0/16: Alibaba, Azure, Oracle.
        const METADATA: [Ipv4Addr; 3] = [
            Ipv4Addr::new(100, 100, 100, 200),
            Ipv4Addr::new(168, 63, 129, 16),
            Ipv4Addr::new(192, 0, 0, 192),
        ];
        if ip.is_loopback() {
            return self.loopback;
        }
        let is_this_network = ip.octets()[0] == 0;
        !(is_this_network
            || ip.is_link_local()
            || ip.is_multicast()
            || ip.is_broadcast()
            || METADATA.contains(&ip))
    }

    fn allows_v6(self, ip: Ipv6Addr) -> bool {
        /// Metadata of Amazon, and of Google.
        const METADATA: [Ipv6Addr; 2] = [
            Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
            Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        ];
        if let Some(inner) = within(ip) {
            return self.allows_v4(inner);
        }
        if ip.is_loopback() {
            return self.loopback;
        }
        !(ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_multicast() || METADATA.contains(&ip))
    }
}

/// The address of the older kind that one of the newer kind stands for: mapped, compatible, translated (RFC 6052), 6to4.
fn within(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        // The lowest two are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => Some(of(high, low)),
        _ => None,
    }
}

/// Those of the addresses of a name that may be connected to.
///
/// # Errors
/// None of them may.
pub fn allowed(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> io::Result<Vec<SocketAddr>> {
    let (allowed, refused): (Vec<_>, Vec<_>) = found.partition(|address| reach.allows(address.ip()));
    if allowed.is_empty() && !refused.is_empty() {
        let why = "its name is of a loopback, link-local or metadata address; those are never connected to";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_by_what_it_stands_for() {
        let at = |ips: &[&str]| -> Vec<SocketAddr> {
            ips.iter()
                .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
                .collect()
        };
        let reach = Reach::default();
        let error = allowed(at(&["127.0.0.1", "::1"]).into_iter(), reach).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let some = allowed(at(&["169.254.169.254", "203.0.113.7"]).into_iter(), reach).unwrap();
        assert_eq!(some, at(&["203.0.113.7"]));
    }
}
