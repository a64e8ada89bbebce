//! Labels, annotations and the finalizer, and names made from other names. Keys are those of 0.6.9 where it had them.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

/// API group of the kinds.
pub const GROUP: &str = "restore.kymaros.io";
/// Finalizer on tests and reports: they go when nothing of their runs is left.
pub const FINALIZER: &str = "kymaros.io/sandbox-cleanup";

/// Label on everything the operator makes.
pub const MANAGED_BY_LABEL: &str = "kymaros.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "kymaros";
/// Label with the test's name, see [`label_value`].
pub const TEST_LABEL: &str = "kymaros.io/test";
/// Label with the namespace of the test.
pub const TEST_NAMESPACE_LABEL: &str = "kymaros.io/test-namespace";
/// Label that the sandboxes of one run share.
pub const GROUP_LABEL: &str = "kymaros.io/group";
/// Label with the report's name, see [`label_value`].
pub const RUN_LABEL: &str = "kymaros.io/run";
/// Label with the report's UID. This is what runs select by.
pub const RUN_UID_LABEL: &str = "kymaros.io/run-uid";
/// Label with the source namespace that a sandbox stands for.
pub const SOURCE_NAMESPACE_LABEL: &str = "kymaros.io/source-namespace";

/// Name of the Secret with the license, in the operator's namespace.
pub const LICENSE_SECRET: &str = "kymaros-license";

/// Label on a Secret of the operator's namespace that holds a way to another cluster: the name of that cluster.
pub const CLUSTER_LABEL: &str = "kymaros.io/cluster";

/// Annotation on a sandbox: when it goes, whatever happens; RFC 3339.
pub const EXPIRES_AT_ANNOTATION: &str = "kymaros.io/expires-at";
/// Annotation on a test: any value but an empty one and `false` starts a run.
pub const TRIGGER_NOW_ANNOTATION: &str = "kymaros.io/trigger-now";
/// The value of that annotation which the REST API writes.
pub const TRIGGERED_BY_API: &str = "api";

/// Whether Kymaros made what has these labels.
#[must_use]
pub fn is_managed(labels: &BTreeMap<String, String>) -> bool {
    labels.get(MANAGED_BY_LABEL).is_some_and(|by| by == MANAGED_BY)
}

/// The UID of the run that made what has these labels.
#[must_use]
pub fn run_uid(labels: &BTreeMap<String, String>) -> Option<&str> {
    let uid = labels.get(RUN_UID_LABEL)?;
    is_managed(labels).then_some(uid)
}

/// Whether what has these finalizers stays until nothing of its runs is left.
#[must_use]
pub fn is_held(finalizers: &[String]) -> bool {
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether Kubernetes' own controllers put a finalizer on and take it off.
#[must_use]
pub fn is_kubernetes_finalizer(finalizer: &str) -> bool {
    let domain = finalizer.split_once('/').map_or("", |(domain, _)| domain);
    domain.is_empty() || domain == "kubernetes.io" || domain.ends_with(".kubernetes.io")
}

/// Longest value of a Kubernetes label.
const MAX_LABEL: usize = 63;
/// Longest name of a Kubernetes object.
const MAX_NAME: usize = 253;

/// A name as the value of a label: the name itself, or, beyond 63 characters, its start and a hash of the whole.
#[must_use]
pub fn label_value(name: &str) -> String {
    cut(name, MAX_LABEL)
}

/// `<stem>-<suffix>` as the name of an object, at most 253 characters: a longer stem is cut and gets a hash.
#[must_use]
pub fn object_name(stem: &str, suffix: &str) -> String {
    let room = MAX_NAME.saturating_sub(suffix.len() + 1);
    format!("{}-{suffix}", cut(stem, room))
}

/// The first bytes of a text's SHA-256, in hexadecimal.
#[must_use]
pub fn short_hash(text: &str, bytes: usize) -> String {
    let mut hash = String::new();
    for byte in Sha256::digest(text).iter().take(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

fn cut(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let hash = short_hash(name, 4);
    let room = max.saturating_sub(hash.len() + 1);
    // Names of Kubernetes objects are ASCII; anything else is dropped rather than cut in half.
    let start: String = name.chars().filter(char::is_ascii).take(room).collect();
    // A label value or name may neither begin nor end with these, nor may a name have `.-` in it.
    let start = start.trim_end_matches(['-', '.', '_']);
    if start.is_empty() {
        hash
    } else {
        format!("{start}-{hash}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_made_only_what_says_so_twice() {
        let labels = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = all
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            owned.collect()
        };
        let (ours, run) = ((MANAGED_BY_LABEL, MANAGED_BY), (RUN_UID_LABEL, "u"));
        assert_eq!(run_uid(&labels(&[ours, run])), Some("u"));
        assert_eq!(run_uid(&labels(&[run])), None);
        assert_eq!(run_uid(&labels(&[(MANAGED_BY_LABEL, "Helm"), run])), None);
        assert_eq!(run_uid(&labels(&[ours])), None);
        assert!(is_managed(&labels(&[ours])) && !is_managed(&labels(&[run])));
    }

    #[test]
    fn finalizers_of_kubernetes_itself_are_known() {
        for own in [
            "kubernetes.io/pvc-protection",
            "batch.kubernetes.io/job-tracking",
            "foregroundDeletion",
        ] {
            assert!(is_kubernetes_finalizer(own), "{own}");
        }
        for foreign in [
            "finalizer.crossplane.io/x",
            "example.com/kubernetes.io",
            "database.example/drop",
        ] {
            assert!(!is_kubernetes_finalizer(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_short_name_is_its_own_label() {
        assert_eq!(label_value("shop"), "shop");
        let longest = "a".repeat(63);
        assert_eq!(label_value(&longest), longest);
    }

    #[test]
    fn long_names_keep_apart_and_stay_valid() {
        let one = label_value(&format!("{}.{}", "a".repeat(53), "b".repeat(100)));
        let two = label_value(&format!("{}.{}", "a".repeat(53), "c".repeat(100)));
        assert_ne!(one, two);
        for value in [one, two] {
            assert!(
                value.len() <= 63 && value.starts_with("aaa") && !value.contains(".-"),
                "{value}"
            );
        }
    }

    #[test]
    fn an_object_name_keeps_its_suffix() {
        assert_eq!(object_name("shop", "20260102-030405"), "shop-20260102-030405");
        let long = object_name(&"x".repeat(253), "20260102-030405");
        assert!(long.len() <= 253 && long.ends_with("-20260102-030405"), "{long}");
        assert_ne!(long, object_name(&"x".repeat(252), "20260102-030405"));
    }
}
