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
        /// Metadata of Google.
        const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
        if let Some(inner) = within(ip) {
            return self.allows_v4(inner);
        }
        if let Some(inner) = within_local(ip) {
            // Of the places where it may stand, those that are not used begin with zeros.
            let mut used = inner.into_iter().filter(|inner| inner.octets()[0] != 0);
            return used.clone().next().is_some() && used.all(|inner| self.allows_v4(inner));
        }
        // Metadata, time, names and credentials of pods at Amazon, each with an address of its own.
        let is_of_amazon = ip.segments()[..2] == [0xfd00, 0xec2];
        if ip.is_loopback() {
            return self.loopback;
        }
        !(ip.is_unspecified()
            || ip.is_unicast_link_local()
            || ip.is_multicast()
            || is_of_amazon
            || ip == METADATA)
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

/// The same behind a translator of the network's own (RFC 8215): after a prefix of 48, 56, 64 or 96 bits, as that one likes.
fn within_local(ip: Ipv6Addr) -> Option<[Ipv4Addr; 4]> {
    let b = ip.octets();
    let places = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];
    let is_local = b[..6] == [0, 0x64, 0xff, 0x9b, 0, 1];
    is_local.then(|| places.map(|place| Ipv4Addr::from(place.map(|at: usize| b[at]))))
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
    fn an_address_behind_a_translator_is_the_one_it_stands_for() {
        let allows = |ip: &str| Reach::default().allows(ip.parse().unwrap());
        for refused in [
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9fe:a9:fe00::1",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:7:a9:fea9:fe00:0",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:ffff::a9fe:a9fe",
            "64:ff9b:1::",
        ] {
            assert!(!allows(refused), "{refused}");
        }
        for allowed in [
            "64:ff9b:1:cb00:71:700::",
            "64:ff9b:1::203.0.113.7",
            "64:ff9b:1:ffff::203.0.113.7",
            "64:ff9b:2::a9fe:a9fe",
        ] {
            assert!(allows(allowed), "{allowed}");
        }
    }

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
