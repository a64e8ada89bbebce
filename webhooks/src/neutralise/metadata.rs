//! Marks on a copy that would make tools of production act on it.

use kymaros_crds::names;
use serde_json::{Map, Value, json};

/// Velero leaves what carries this label out of backups.
const EXCLUDE_FROM_BACKUP: &str = "velero.io/exclude-from-backup";

/// Annotations of tools that act on what carries them: DNS records, certificates, ways in from outside, `GitOps`, restore
/// hooks.
const ANNOTATIONS: &[&str] = &[
    "external-dns.alpha.kubernetes.io/",
    "external-dns.kubernetes.io/",
    "cert-manager.io/",
    "acme.cert-manager.io/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "fluxcd.io/",
    "meta.helm.sh/",
    "post.hook.restore.velero.io/",
    "init.hook.restore.velero.io/",
    "service.beta.kubernetes.io/",
    "cloud.google.com/neg",
    "getambassador.io/",
    "tailscale.com/",
    "reloader.stakater.com/",
    "replicator.v1.mittwald.de/",
    "reflector.v1.k8s.emberstack.com/",
];
/// Labels by which `GitOps` tools know what is theirs. Their values select nothing.
const LABELS: &[&str] = &[
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
];
/// A label that Argo CD may be set to track by. Nearly every chart selects by it, too.
const TRACKED: &str = "app.kubernetes.io/instance";

/// Cleans the metadata of an object.
pub(super) fn clean(object: &mut Value, group: &str, resource: &str) {
    let is_known_by_labels = is_known_by_labels(object, group, resource);
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    drop_finalizers(metadata);
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !begins(key, ANNOTATIONS));
    }
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if labels.is_null() {
        *labels = json!({});
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.retain(|key, _| !begins(key, LABELS) && (is_known_by_labels || key != TRACKED));
        labels.insert(EXCLUDE_FROM_BACKUP.to_owned(), json!("true"));
    }
}

/// Whether a controller knows it for its own by its labels, such as a Deployment its replica sets. A restore takes off who
/// owned it; what has an owner Argo CD does not track.
fn is_known_by_labels(object: &Value, group: &str, resource: &str) -> bool {
    let is_owned = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .is_some_and(|owners| !owners.is_empty());
    let is_adopted = matches!(
        (group, resource),
        ("", "pods") | ("apps", "replicasets" | "controllerrevisions")
    );
    is_owned || is_adopted
}

/// A finalizer of another product guards something outside, which belongs to the original.
fn drop_finalizers(metadata: &mut Map<String, Value>) {
    let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else {
        return;
    };
    finalizers.retain(|f| f.as_str().is_some_and(names::is_kubernetes_finalizer));
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    }
}

fn begins(key: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| key.starts_with(prefix))
}
