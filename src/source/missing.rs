//! What a backup should hold and does not: a pure comparison.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::SourceObject;
use crate::velero::results::ObjectId;

/// Objects that were there when the backup began and are not in it. `selector` is the test's own: what it does not
/// select is not restored, so nobody misses it. `made_there` is what the sandbox got without the backup, as `Kind/name`:
/// from the cluster, or from a product that serves every namespace.
pub fn missing<'a>(
    source: &'a [SourceObject],
    backup: &BTreeSet<ObjectId>,
    began: Timestamp,
    selector: &BTreeMap<String, String>,
    made_there: &BTreeSet<&str>,
) -> Vec<&'a ObjectId> {
    let held: BTreeSet<(&str, &str, &str)> = backup.iter().map(ObjectId::without_version).collect();
    let is_held_or_made = |object: &SourceObject| {
        let id = object.id.without_version();
        held.contains(&id) || made_by_cluster(&object.id) || made_there.contains(object.id.display().as_str())
    };
    let missed = |object: &&SourceObject| {
        let selected = selector.iter().all(|(k, v)| object.labels.get(k) == Some(v));
        // Both times are cut to the second: in the same second either may have been first.
        let was_there = object.created.as_second() < began.as_second();
        selected && was_there && !is_held_or_made(object)
    };
    source.iter().filter(missed).map(|o| &o.id).collect()
}

/// What the cluster puts into every namespace by itself.
fn made_by_cluster(object: &ObjectId) -> bool {
    is_authority(object) || (object.short_kind(), object.name.as_str()) == ("ServiceAccount", "default")
}

/// The certificate authorities that Kubernetes, `OpenShift` and Istio put into every namespace.
#[must_use]
pub fn is_authority(object: &ObjectId) -> bool {
    matches!(
        (object.short_kind(), object.name.as_str()),
        (
            "ConfigMap",
            "kube-root-ca.crt" | "openshift-service-ca.crt" | "istio-ca-root-cert"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: &str, name: &str) -> ObjectId {
        ObjectId {
            kind: kind.into(),
            name: name.into(),
        }
    }

    fn made(id: ObjectId, at: &str) -> SourceObject {
        SourceObject {
            id,
            labels: BTreeMap::from([("app".to_owned(), "shop".to_owned())]),
            bound: None,
            created: format!("2026-01-01T{at}Z").parse().unwrap(),
        }
    }

    fn missed(source: &[SourceObject], backup: &[ObjectId], selector: &[(&str, &str)]) -> Vec<String> {
        let selector = selector
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let began = "2026-01-01T12:00:00Z".parse().unwrap();
        let backup = backup.iter().cloned().collect();
        let made_there = BTreeSet::from(["RoleBinding/system:deployers"]);
        let missed = missing(source, &backup, began, &selector, &made_there);
        missed.into_iter().map(ObjectId::display).collect()
    }

    #[test]
    fn an_object_that_was_there_and_is_not_in_the_backup_is_missed() {
        let source = [made(id("apps/v1/Deployment", "web"), "11:59:59")];
        assert_eq!(missed(&source, &[], &[]), ["Deployment/web"]);
        assert!(missed(&source, &[id("apps/v1beta1/Deployment", "web")], &[]).is_empty());
        assert_eq!(
            missed(&source, &[id("example.com/v1/Deployment", "web")], &[]).len(),
            1,
            "a kind of another group is another kind"
        );
    }

    #[test]
    fn what_came_later_or_is_not_selected_is_not_missed() {
        let late = [made(id("v1/ConfigMap", "new"), "12:00:00")];
        assert!(missed(&late, &[], &[]).is_empty());
        let early = [made(id("v1/ConfigMap", "c"), "11:00:00")];
        assert!(missed(&early, &[], &[("app", "other")]).is_empty());
        assert_eq!(missed(&early, &[], &[("app", "shop")]).len(), 1);
    }

    #[test]
    fn what_the_cluster_makes_is_not_missed() {
        let own = [
            made(id("v1/ConfigMap", "kube-root-ca.crt"), "11:00:00"),
            made(id("v1/ConfigMap", "istio-ca-root-cert"), "11:00:00"),
            made(id("v1/ServiceAccount", "default"), "11:00:00"),
            made(
                id("rbac.authorization.k8s.io/v1/RoleBinding", "system:deployers"),
                "11:00:00",
            ),
        ];
        assert!(missed(&own, &[], &[]).is_empty());
        assert_eq!(
            missed(&[made(id("v1/ServiceAccount", "robot"), "11:00:00")], &[], &[]).len(),
            1
        );
    }
}
