//! Label selectors. The rules are those of Kubernetes.

use std::collections::BTreeMap;

use super::{name, problems::Problems};

/// Checks each pair of labels, or of a selector, which has the same rules.
pub(super) fn parse_selector(
    selector: &BTreeMap<String, String>,
    path: &str,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    for (key, value) in selector {
        if !is_key(key) {
            problems.report(
                &format!("{path}[{key}]"),
                key,
                "is not a label key; write it as name or example.com/name",
            );
        }
        if !is_value(value) {
            let message = "is not a label value; write at most 63 letters, digits, '-', '_' and '.', with a letter \
                           or digit at both ends";
            problems.report(&format!("{path}[{key}]"), value, message);
        }
    }
    selector.clone()
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => name::subdomain(prefix).is_ok() && is_part(name),
        None => is_part(key),
    }
}

fn is_value(value: &str) -> bool {
    value.is_empty() || is_part(value)
}

fn is_part(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(is_inner)
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_follow_kubernetes() {
        for good in ["app", "app.kubernetes.io/name", "a/B_c.d"] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", "/app", "a/", "a/b/c", "-app", "a b", "A.B/c", &"a".repeat(64)] {
            assert!(!is_key(bad), "{bad}");
        }
        assert!(is_value("") && is_value("v1.2_x"));
        assert!(!is_value("-v") && !is_value("a b") && !is_value(&"a".repeat(64)));
    }
}
