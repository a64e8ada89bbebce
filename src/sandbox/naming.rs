//! Deterministic names: made from the run's UID, so that doing a step twice makes nothing twice.

use std::collections::BTreeMap;

use kymaros_crds::{domain::SourceNamespace, names};

/// What every object of a run is named and labelled after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIdentity {
    /// The report's name.
    pub run: String,
    /// The report's UID.
    pub uid: String,
    /// The test's name.
    pub test: String,
    /// The namespace of test and report.
    pub namespace: String,
    /// Which try of the restore; the first is 1.
    pub attempt: i32,
}

impl RunIdentity {
    /// Labels that tie an object to this run; cleanup and its proof select by them.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let label = |key: &str, value: String| (key.to_owned(), value);
        BTreeMap::from([
            label(names::MANAGED_BY_LABEL, names::MANAGED_BY.to_owned()),
            label(names::TEST_LABEL, names::label_value(&self.test)),
            label(names::TEST_NAMESPACE_LABEL, names::label_value(&self.namespace)),
            label(names::RUN_LABEL, names::label_value(&self.run)),
            label(names::RUN_UID_LABEL, self.uid.clone()),
            label(names::GROUP_LABEL, self.uid.clone()),
        ])
    }

    /// The sandbox of a namespace of the n-th backup source: the name the test asks for, else
    /// `<prefix>-<test>-<hash>`.
    #[must_use]
    pub fn sandbox(&self, prefix: &str, source: &SourceNamespace, index: usize) -> String {
        if let Some(name) = &source.sandbox_name {
            name.to_string()
        } else {
            let hash = short_hash(&[&self.uid, &index.to_string(), source.name.as_str()]);
            let room = 63 - hash.len() - 1;
            let stem: String = format!("{prefix}-{}", self.test)
                .replace('.', "-")
                .chars()
                .take(room)
                .collect();
            format!("{}-{hash}", stem.trim_end_matches('-'))
        }
    }

    /// The Restore of the run's n-th backup source; at most 63 characters, so that Velero's label equals it. Each try has
    /// its own: what is still known of one that is gone says nothing about the next.
    #[must_use]
    pub fn restore(&self, index: usize) -> String {
        let hash = match self.attempt {
            1 => short_hash(&[&self.uid]),
            try_ => short_hash(&[&self.uid, &format!("try {try_}")]),
        };
        format!("kymaros-{hash}-{index}")
    }

    /// Prefix of the names of the run's `DownloadRequest`s for its n-th backup source.
    #[must_use]
    pub fn download_prefix(&self, index: usize) -> String {
        self.restore(index)
    }
}

fn short_hash(parts: &[&str]) -> String {
    names::short_hash(&parts.join("/"), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(test: &str) -> RunIdentity {
        RunIdentity {
            run: "r".into(),
            uid: "u-1".into(),
            test: test.into(),
            namespace: "ns".into(),
            attempt: 1,
        }
    }

    fn source(name: &str) -> SourceNamespace {
        SourceNamespace {
            name: name.parse().unwrap(),
            sandbox_name: None,
        }
    }

    #[test]
    fn a_long_test_name_keeps_its_hash() {
        let long = identity(&"a.b".repeat(80));
        let name = long.sandbox("rp-test", &source("shop"), 0);
        assert!(name.len() <= 63 && !name.contains('.'), "{name}");
        assert_ne!(
            name,
            long.sandbox("rp-test", &source("db"), 0),
            "each source namespace has its own sandbox"
        );
        assert_eq!(
            name,
            long.sandbox("rp-test", &source("shop"), 0),
            "the same every time"
        );
    }

    /// Admission lets no other Restore be made, and keeps what these restore in sandboxes.
    #[test]
    fn restores_have_names_that_are_contained() {
        for (attempt, index) in [(1, 0), (2, 0), (1, 99)] {
            let run = RunIdentity {
                attempt,
                ..identity("t")
            };
            let name = run.restore(index);
            assert!(kymaros_webhooks::contain::is_ours_by_name(&name), "{name}");
        }
    }

    #[test]
    fn a_name_begins_with_the_prefix_and_the_test() {
        for prefix in ["rp-test", "proof"] {
            let name = identity("shop").sandbox(prefix, &source("db"), 0);
            assert!(name.starts_with(&format!("{prefix}-shop-")), "{name}");
        }
    }

    #[test]
    fn the_name_asked_for_is_taken() {
        let source = SourceNamespace {
            sandbox_name: Some("my-sandbox".parse().unwrap()),
            ..source("shop")
        };
        assert_eq!(identity("t").sandbox("rp-test", &source, 0), "my-sandbox");
    }
}
