//! Which addresses may be sent to.

use std::fmt;

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use thiserror::Error;

use crate::reach::{Reach, allowed};

/// Longest address.
const MOST: usize = 2048;

/// Why an address may not be sent to. It is a secret, so none of these shows it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// It is not an address.
    #[error("is not an address; write https://...")]
    Malformed,
    /// It has another scheme.
    #[error(
        "is not an https address; write https://..., or allow http with the chart's value notifications.allowHTTP"
    )]
    Scheme,
    /// It is of a place that nobody may send to.
    #[error("is of a loopback, link-local or metadata address; those are never sent to")]
    Place,
}

/// An address that may be sent to, as far as can be seen without looking its name up.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address(Url);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address")
    }
}

impl Address {
    pub(super) fn parse(text: &str, reach: Reach) -> Result<Self, AddressError> {
        // Files that Secrets are made from end with a line break.
        let text = text.trim();
        let url = Some(text)
            .filter(|text| text.len() <= MOST)
            .and_then(|text| Url::parse(text).ok());
        let url = url
            .filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
            .ok_or(AddressError::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if reach.http => {}
            _ => return Err(AddressError::Scheme),
        }
        let host = url.host_str().unwrap_or_default();
        // A name is looked up when it is connected to; numbers never are.
        let number = host.trim_start_matches('[').trim_end_matches(']').parse();
        match number {
            Ok(ip) if !reach.allows(ip) => Err(AddressError::Place),
            _ => Ok(Self(url)),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// Looks names up, and hands on what may be connected to: a name that stands for something else the next moment is judged by
/// what is connected to, because nobody looks it up again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded(pub Reach);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(found, reach)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Result<(), AddressError> {
        Address::parse(text, Reach::default()).map(|_| ())
    }

    #[test]
    fn ordinary_addresses_are_taken() {
        for text in [
            "https://hooks.slack.com/services/T/B/x",
            " https://hooks.slack.com/services/T/B/x\n",
            "https://10.1.2.3:8443/alerts",
            "https://[fd00:1::5]/",
            "https://user:word@alerts.example.com/?a=b",
        ] {
            assert_eq!(judged(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn an_address_without_tls_takes_leave() {
        assert_eq!(judged("http://alerts.example.com"), Err(AddressError::Scheme));
        let http = Reach {
            http: true,
            loopback: false,
        };
        assert!(Address::parse("http://alerts.example.com", http).is_ok());
        for text in ["file:///etc/passwd", "gopher://x", "ftp://x"] {
            assert_ne!(Address::parse(text, http).map(|_| ()), Ok(()), "{text}");
        }
        for text in ["", "alerts", "https://", "https://exa mple"] {
            assert_eq!(judged(text), Err(AddressError::Malformed), "{text}");
        }
        let long = format!("https://x/{}", "y".repeat(3000));
        assert_eq!(judged(&long), Err(AddressError::Malformed));
    }

    #[test]
    fn places_that_only_this_pod_can_reach_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0.0.0.0",
            "169.254.169.254",
            "0xa9fea9fe",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fd20:ce::254]",
            "[64:ff9b:1::a9fe:a9fe]",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            let text = format!("https://{host}/x");
            assert_eq!(judged(&text), Err(AddressError::Place), "{text}");
        }
    }

    #[test]
    fn nothing_shows_an_address() {
        let address = Address::parse("https://hooks.slack.com/secret", Reach::default()).unwrap();
        assert!(!format!("{address:?}").contains("secret"));
    }
}
