//! Kinds of products that are not there: one whose objects are as harmless as a `ConfigMap`, one whose objects stand for
//! something at a cloud, and that of a snapshot controller for the whole cluster. They are made before Velero starts, which looks for new kinds only every few minutes.

use serde_json::{Value, json};

pub(super) fn documents() -> Vec<Value> {
    vec![
        kind("Namespaced", "Widget", "widgets", "example.com"),
        kind("Namespaced", "Bucket", "buckets", "s3.services.k8s.aws"),
        kind(
            "Cluster",
            "VolumeSnapshotContent",
            "volumesnapshotcontents",
            "snapshot.storage.k8s.io",
        ),
    ]
}

fn kind(scope: &str, kind: &str, plural: &str, group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // Groups that end like those of Kubernetes need its leave.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a kind for tests"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}
