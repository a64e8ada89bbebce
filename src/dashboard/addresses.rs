//! Addresses of pages. Names stand in paths, each as one part.

use super::query::segment;
use crate::fleet::{ClusterName, Scope};

/// The parameter that narrows a page to a namespace.
pub const NAMESPACE: &str = "namespace";

/// The stream that tells open pages of changes.
pub const STREAM: &str = "/live";

/// What an address says of the namespace that is seen alone.
#[must_use]
pub fn narrowed(scope: &Scope) -> Option<(&'static str, &str)> {
    scope.namespace().map(|namespace| (NAMESPACE, namespace))
}

/// What the fleet names as `namespace/name`, or `cluster/namespace/name`.
#[must_use]
pub fn parts(text: &str) -> Option<(Option<ClusterName>, &str, &str)> {
    let (first, rest) = text.split_once('/')?;
    match rest.split_once('/') {
        None => Some((None, first, rest)),
        Some((namespace, name)) => Some((Some(first.parse().ok()?), namespace, name)),
    }
}

/// The page of a test of a cluster.
#[must_use]
pub fn test(cluster: Option<&ClusterName>, namespace: &str, name: &str) -> String {
    format!("/tests/{}/{}{}", segment(namespace), segment(name), of(cluster))
}

/// Pages of other clusters say which: those of this one stay as they were before there were others.
fn of(cluster: Option<&ClusterName>) -> String {
    cluster.map_or_else(String::new, |name| {
        super::query::write(&[("cluster", name.as_str())])
    })
}

/// The page that asks whether a test of this cluster is to run now.
#[must_use]
pub fn trigger(namespace: &str, name: &str) -> String {
    format!("{}/trigger", test(None, namespace, name))
}

/// The page of a report of a cluster.
#[must_use]
pub fn report(cluster: Option<&ClusterName>, namespace: &str, name: &str) -> String {
    format!("/reports/{}/{}{}", segment(namespace), segment(name), of(cluster))
}

/// The page for signing in, which leads back to an address of ours.
#[must_use]
pub fn sign_in(next: &str) -> String {
    format!("/sign-in{}", super::query::write(&[("next", next)]))
}

/// An address of ours that was handed to us: anything else leads to the overview.
#[must_use]
pub fn own(next: Option<&str>) -> &str {
    next.filter(|next| is_own(next)).unwrap_or("/")
}

/// Browsers take `//host` and `/\host` for another origin, and drop line ends and tabs before they look.
fn is_own(next: &str) -> bool {
    let second = next.as_bytes().get(1);
    next.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && next.len() <= 2048
        && next.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_part_of_the_path() {
        assert_eq!(test(None, "ops", "shop"), "/tests/ops/shop");
        let eu: ClusterName = "eu".parse().unwrap();
        assert_eq!(test(Some(&eu), "ops", "shop"), "/tests/ops/shop?cluster=eu");
        assert_eq!(report(None, "a/b", "x?y"), "/reports/a%2Fb/x%3Fy");
        assert_eq!(trigger("ops", "shop"), "/tests/ops/shop/trigger");
        assert_eq!(
            sign_in("/tests?q=a&page=2"),
            "/sign-in?next=%2Ftests%3Fq%3Da%26page%3D2"
        );
    }

    #[test]
    fn nobody_is_led_to_another_origin() {
        assert_eq!(own(Some("/tests?q=a")), "/tests?q=a");
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "tests",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "",
        ] {
            assert_eq!(own(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(own(None), "/");
    }
}
