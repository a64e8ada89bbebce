//! Names under which API and pages are asked for where nobody is known. A page of others can let its own name lead to an
//! address that its reader alone reaches, such as a port that is forwarded (DNS rebinding), and is of the same origin then.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header::HOST, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Api, Auth, problem::Problem};

/// A name of this installation, such as `kymaros.example.com`, or `*.example.com` for all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.to_ascii_lowercase();
        let is_part = |part: &str| {
            let of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !part.is_empty() && part.bytes().all(of_name)
        };
        if name.strip_prefix("*.").unwrap_or(&name).split('.').all(is_part) {
            Ok(Self(name))
        } else {
            Err("write a name without scheme and port, for example kymaros.example.com or *.example.com")
        }
    }
}

impl HostName {
    fn is(&self, name: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(end) => name.len() > end.len() && name.ends_with(end),
            None => self.0 == name,
        }
    }
}

/// All of them. Addresses and `localhost` are known without being named: no page of others comes by these.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[HostName]>);

impl Hosts {
    /// These, and addresses.
    #[must_use]
    pub fn new(names: &[HostName]) -> Self {
        Self(names.into())
    }

    fn know(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok() || name == "localhost" || self.0.iter().any(|known| known.is(name))
    }
}

/// Lets a request through that is for a name of ours. Browsers always say which.
pub(super) async fn named(State(api): State<Api>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST);
    let is_ours = host.is_none_or(|host| host.to_str().is_ok_and(|host| api.hosts.know(host)));
    if is_ours || !matches!(api.auth, Auth::None) {
        return next.run(request).await;
    }
    let error = "Host: this is no name of this installation, and nobody is asked who they are here, so a page of others could \
                 come by it; add it to the chart's value api.hosts (--api-hosts), or ask by an address";
    Problem::choose(StatusCode::MISDIRECTED_REQUEST, "Host", error, Vec::new()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let names = ["kymaros-api.ops.svc", "Restore.example.com", "*.ops.example.com"];
        Hosts::new(&names.map(|name| name.parse().unwrap()))
    }

    #[test]
    fn addresses_and_names_of_ours_are_known() {
        for host in [
            "127.0.0.1:8080",
            "10.0.0.1",
            "[::1]:8080",
            "localhost:8080",
            "LOCALHOST",
            "localhost.",
            "kymaros-api.ops.svc:8080",
            "restore.example.com",
            "a.ops.example.com",
            "a.b.ops.example.com:443",
        ] {
            assert!(hosts().know(host), "{host}");
        }
    }

    #[test]
    fn names_of_others_are_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "kymaros-api.ops.svc.evil.example",
            "ops.example.com",
            ".ops.example.com",
            "xops.example.com",
            "a b",
        ] {
            assert!(!hosts().know(host), "{host:?}");
        }
        assert!(!Hosts::default().know("restore.example.com"));
    }

    #[test]
    fn a_name_has_no_scheme_and_no_port() {
        for text in [
            "",
            "*",
            "a.*.b",
            "https://a.example",
            "a:8080",
            "a/b",
            "a..b",
            "a, b",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text:?}");
        }
    }
}
