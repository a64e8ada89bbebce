//! Whom the pods of a sandbox ask for names.

use std::net::IpAddr;

/// As many as a C library asks (`MAXNS` of resolv.conf(5)).
const MOST: usize = 3;

/// The resolvers of this process, where it runs in a pod: the kubelet gives all pods of the cluster's DNS the same. They may be
/// no pods themselves, as with `NodeLocal` `DNSCache` or the DNS of a cloud. Those of a machine lead out of the cluster.
#[must_use]
pub fn of_this_pod() -> Vec<IpAddr> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Vec::new();
    }
    match std::fs::read_to_string("/etc/resolv.conf") {
        Ok(text) => resolvers(&text),
        Err(error) => {
            tracing::warn!(%error, "/etc/resolv.conf cannot be read; sandboxes reach the pods of the cluster's DNS only");
            Vec::new()
        }
    }
}

fn resolvers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .filter(|address: &IpAddr| !address.is_loopback() && !address.is_unspecified())
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_file() {
        let text = "search ops.svc.cluster.local svc.cluster.local\n# nameserver 10.0.0.1\n\
                    nameserver 169.254.20.10\n nameserver\tfd00::a # second\nnameserver 127.0.0.53\n\
                    nameserver dns.example.com\noptions ndots:5\n";
        let found: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["169.254.20.10", "fd00::a"]);
    }
}
