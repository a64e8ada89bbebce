//! What a run will make: pure functions of its settings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kymaros_crds::domain::{SourceNamespace, Test};

use super::observed::after;
use crate::{
    checks::Target,
    plan::excluded_resources,
    sandbox::{naming::RunIdentity, objects::SandboxPlan},
    velero::{restore::RestorePlan, results::BackupContents},
};

/// Every sandbox of a run, in the order of its sources. `started` is when the run left the queue: its TTL counts
/// from there, so that a crash cannot lengthen it.
#[must_use]
pub fn sandboxes(identity: &RunIdentity, test: &Test, started: Timestamp) -> Vec<SandboxPlan> {
    let expires_at = after(started, test.sandbox.ttl);
    indexed_namespaces(test)
        .map(|(index, namespace)| SandboxPlan {
            name: identity.sandbox(&test.sandbox.prefix, namespace, index),
            source: namespace.name.to_string(),
            identity: identity.clone(),
            quota: test.sandbox.quota.clone(),
            isolation: test.sandbox.isolation,
            expires_at,
        })
        .collect()
}

/// The Restore of the n-th backup source.
#[must_use]
pub fn restore(
    identity: &RunIdentity,
    test: &Test,
    index: usize,
    backup: &str,
    contents: Option<&BackupContents>,
) -> RestorePlan {
    RestorePlan {
        name: identity.restore(index),
        backup: backup.to_owned(),
        mapping: mapping(identity, test, index),
        excluded: excluded_resources(contents),
        label_selector: test
            .sources
            .get(index)
            .map(|s| s.label_selector.clone())
            .unwrap_or_default(),
        labels: identity.labels(),
        pod_volume_timeout_seconds: test.timeout.as_secs().max(1),
    }
}

/// Source namespace to sandbox for the n-th backup source.
#[must_use]
pub fn mapping(identity: &RunIdentity, test: &Test, index: usize) -> BTreeMap<String, String> {
    indexed_namespaces(test)
        .filter(|(i, _)| *i == index)
        .map(|(i, n)| (n.name.to_string(), identity.sandbox(&test.sandbox.prefix, n, i)))
        .collect()
}

/// The sandboxes as checks see them.
#[must_use]
pub fn targets(identity: &RunIdentity, test: &Test) -> Vec<Target> {
    indexed_namespaces(test)
        .map(|(i, n)| Target {
            source: n.name.to_string(),
            sandbox: identity.sandbox(&test.sandbox.prefix, n, i),
        })
        .collect()
}

fn indexed_namespaces(test: &Test) -> impl Iterator<Item = (usize, &SourceNamespace)> {
    test.sources
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.namespaces.iter().map(move |n| (i, n)))
}
