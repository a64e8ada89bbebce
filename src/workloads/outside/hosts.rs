//! Hosts outside of the cluster in settings.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::LazyLock};

use regex::Regex;

/// A name with a dot in it, or an address; with its port.
const HOST: &str = r"((?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\.)+[a-z](?:[-a-z0-9]*[a-z0-9])?|\d{1,3}(?:\.\d{1,3}){3})\.?(:\d{1,5})?";

/// Hosts outside of the cluster in a text: in an address with a scheme, before a port, or as the whole text of a setting
/// whose name says that it is one. Settings that tell a workload its own address name nothing that it needs. Who signs in
/// where, and with what password, is never part of a host.
pub fn hosts(name: Option<&str>, text: &str) -> BTreeSet<String> {
    if name.is_some_and(is_own_address) {
        return BTreeSet::new();
    }
    let text = text.to_ascii_lowercase();
    let is_end = |c: char| {
        c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '(' | ')' | '[' | ']' | '{' | '}')
    };
    let is_single = text.trim().split(is_end).nth(1).is_none();
    let words = text.split(is_end);
    words
        .filter_map(|word| match word.split_once("://") {
            // `dns:///db.example.com` asks the resolver that everybody has.
            Some((scheme, address)) if scheme.ends_with("dns") => of_address(address.trim_start_matches('/')),
            Some((_, address)) => of_address(address),
            // `host=db.example.com`
            None => match word.split_once('=') {
                Some((key, value)) => bare(value, is_of_a_host(key)),
                None => bare(word, is_single && name.is_some_and(is_of_a_host)),
            },
        })
        .filter(|host| is_outside(host))
        .collect()
}

/// The host of `user:password@host:port/path?query`.
fn of_address(address: &str) -> Option<String> {
    let (authority, rest) = match address.find(['/', '?', '#']) {
        Some(end) => address.split_at(end),
        None => (address, ""),
    };
    // A password may have a slash in it, and then what stands before it is no host.
    if rest.contains('@') {
        return None;
    }
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    Some(host(place)?.0)
}

/// A host by itself, or without its port where one is expected. An image has a path behind it.
fn bare(word: &str, is_expected: bool) -> Option<String> {
    let place = word.rsplit_once('@').map_or(word, |(_, place)| place);
    let (host, has_port) = host(place)?;
    (has_port || is_expected).then_some(host)
}

/// The host in `host:port`, and whether a port is there.
fn host(place: &str) -> Option<(String, bool)> {
    static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^{HOST}$")).ok());
    let found = PLACE.as_ref()?.captures(place)?;
    Some((found[1].to_owned(), found.get(2).is_some()))
}

/// Whether a host is neither a Service of the cluster nor the workload itself.
pub(super) fn is_outside(host: &str) -> bool {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return !ip.is_loopback() && !ip.is_unspecified();
    }
    // `db.data.svc` with or without the cluster's domain.
    let of_cluster = host.split('.').skip(1).any(|label| label == "svc") || host.ends_with(".cluster.local");
    let is_number = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !(of_cluster || is_number)
}

/// The words of a setting's name: `DB_HOST`, `db.host`, `--db-host`.
fn words(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Whether the name of a setting says that it is the address of somebody.
pub fn is_of_a_host(name: &str) -> bool {
    const ENDS: &[&str] = &[
        "host",
        "hosts",
        "hostname",
        "server",
        "servers",
        "addr",
        "address",
        "addresses",
        "endpoint",
        "endpoints",
        "url",
        "uri",
        "broker",
        "brokers",
        "dsn",
        "upstream",
    ];
    /// Of these the rest of the name says more.
    const OTHER: &[&str] = &[
        "password", "pass", "user", "username", "token", "secret", "key", "from", "to", "reply",
    ];
    let words = words(name);
    let says = |word: &String| ENDS.iter().any(|end| word.ends_with(end));
    words.last().is_some_and(says)
        && !words.iter().any(|word| OTHER.contains(&word.as_str()))
        && !is_own_address(name)
}

/// Whether it says that it is the address of the workload itself, or one that others may have.
fn is_own_address(name: &str) -> bool {
    const OWN: &[&str] = &[
        "cors",
        "origin",
        "origins",
        "allowed",
        "advertise",
        "advertised",
        "bind",
        "listen",
        "callback",
        "redirect",
        "noproxy",
        "siteurl",
        "rooturl",
        "publicurl",
        "externalurl",
        "image",
    ];
    const PAIRS: &[[&str; 2]] = &[
        ["root", "url"],
        ["public", "url"],
        ["external", "url"],
        ["site", "url"],
        ["app", "url"],
        ["webhook", "url"],
        ["nextauth", "url"],
        ["kc", "hostname"],
        ["virtual", "host"],
        ["no", "proxy"],
    ];
    let words = words(name);
    let is_pair = |pair: &[String]| PAIRS.iter().any(|own| pair == own);
    // Of an API it is one that is called.
    let is_base =
        words.ends_with(&["base".to_owned(), "url".to_owned()]) && !words.iter().any(|w| w == "api");
    let is_alone = words.len() == 1 && words.iter().any(|word| word == "hostname");
    is_base
        || is_alone
        || words.iter().any(|word| OWN.contains(&word.as_str()))
        || words.windows(2).any(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, text: &str) -> Vec<String> {
        hosts(Some(name), text).into_iter().collect()
    }

    #[test]
    fn hosts_are_found_wherever_one_is_written() {
        for (name, text, host) in [
            (
                "DATABASE_URL",
                "postgres://shop:secret@db.example.com:5432/shop",
                "db.example.com",
            ),
            ("X", "https://api.example.com", "api.example.com"),
            ("X", "see http://192.0.2.10/x", "192.0.2.10"),
            ("KAFKA", "kafka.example.com:9092", "kafka.example.com"),
            ("X", "host=db.example.com:5432 user=shop", "db.example.com"),
            ("PGHOST", "db.example.com", "db.example.com"),
            ("db.endpoint", " 192.0.2.10\n", "192.0.2.10"),
            ("EXTERNAL_API_URL", "https://api.example.com/", "api.example.com"),
            ("API_BASE_URL", "https://api.example.com/", "api.example.com"),
            ("DSN", "host=db.example.com port=5432 user=shop", "db.example.com"),
            ("X", "dns:///db.example.com:50051", "db.example.com"),
            ("DB_HOST", "DB.Example.com.", "db.example.com"),
            ("EMAIL_HOST", "mail.example.com", "mail.example.com"),
        ] {
            assert_eq!(named(name, text), [host], "{name}={text}");
        }
        let all = named("BROKERS", "a.example.com:9092,b.example.com:9092");
        assert_eq!(all, ["a.example.com", "b.example.com"]);
    }

    #[test]
    fn who_signs_in_with_what_is_no_host() {
        for text in [
            "postgres://first.last:secret@db:5432/shop",
            "amqp://user:pw@hun.ter:2@rabbit:5672/",
            "redis://my.pass:1@redis:6379",
            "postgres://first.last:2/3@db/shop",
            "first.last:1@db:5432",
        ] {
            assert!(
                named("DATABASE_URL", text).is_empty(),
                "{text}: {:?}",
                named("DATABASE_URL", text)
            );
        }
        let outside = named(
            "DATABASE_URL",
            "postgres://first.last:se@cr.et:1@db.example.com:5432/shop",
        );
        assert_eq!(outside, ["db.example.com"]);
    }

    #[test]
    fn what_is_no_host_or_not_outside_is_not() {
        for (name, text) in [
            ("MAIN_CLASS", "com.example.shop"),
            ("LISTEN_ADDR", "192.0.2.10:8080"),
            ("SERVER_ADDRESS", "0.0.0.0:8080"),
            ("DB_HOST", "127.0.0.1"),
            ("DB_HOST", "db"),
            ("DB_URL", "postgres://db:5432/shop"),
            ("DB_HOST", "db.data.svc"),
            ("DB_URL", "http://db.data.svc.cluster.local:80"),
            ("GF_SERVER_ROOT_URL", "https://grafana.example.com"),
            ("CORS_ORIGINS", "https://shop.example.com"),
            ("NO_PROXY", "example.com:80"),
            ("VERSION", "1.2.3.4"),
            ("IMAGE", "registry.example.com/shop:1"),
            ("FILE", "settings.yaml"),
            ("TIME", "12:30"),
            ("IMAGE", "registry.example.com:5000/shop:1"),
            ("SIDECAR", "registry.example.com:5000/shop:1"),
            ("APP_URL", "https://shop.example.com"),
            ("BASE_URL", "https://shop.example.com"),
            ("HOSTNAME", "shop.example.com"),
            ("EMAIL_HOST_PASSWORD", "correct.horse"),
            ("MAIL_FROM_ADDRESS", "shop.example.com"),
            ("DB_SERVER_KEY", "correct.horse"),
        ] {
            assert!(
                named(name, text).is_empty(),
                "{name}={text}: {:?}",
                named(name, text)
            );
        }
    }
}
