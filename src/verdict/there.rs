//! What a sandbox had before Velero came to it: made by the cluster, or by another product that serves every namespace.

use super::SourceEvidence;
use crate::velero::{kinds, results::ObjectId};

/// Why such an object is not the one of the backup.
pub(super) const MADE_THERE: &str = "made there by the cluster or another product, and left as it is";

impl SourceEvidence<'_> {
    /// Whether Velero left an object as it found it in the sandbox. It calls that a failure and only warns of it. What
    /// carries data is never left so: with the object its data would be missing.
    pub(super) fn was_there(&self, namespace: &str, object: &ObjectId) -> bool {
        let warnings = || {
            let sandbox = self.mapping.get(namespace)?;
            self.outcome?.results.warnings.namespaces.as_ref()?.get(sandbox)
        };
        !matches!(object.short_kind(), "PersistentVolumeClaim" | "Pod")
            && self.failure_of(namespace, object).is_none()
            && warnings().is_some_and(|all| all.iter().any(|warning| is_of_one_there(warning, object)))
    }
}

/// Velero writes `could not restore, <Kind>:<name> already exists. Warning: ...`; older ones `<Kind> "<name>"`, still
/// older ones `<resource> "<name>"`.
fn is_of_one_there(warning: &str, object: &ObjectId) -> bool {
    let Some((before, _)) = warning.split_once(" already exists") else {
        return false;
    };
    let subject = before.rsplit_once(", ").map_or(before, |(_, subject)| subject);
    let named = subject.split_once(" \"").or_else(|| subject.split_once(':'));
    named.is_some_and(|(kind, name)| {
        name.trim_matches(['"', ' ']) == object.name
            && (kind == object.short_kind() || kinds::is_resource_of(kind, object))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_what_was_there_in_the_words_of_three_versions() {
        let role = ObjectId {
            kind: "rbac.authorization.k8s.io/v1/RoleBinding".into(),
            name: "system:deployers".into(),
        };
        let differs = "Warning: the in-cluster version is different than the backed-up version";
        let is = |subject: &str| is_of_one_there(&format!("could not restore, {subject}. {differs}"), &role);
        assert!(is("RoleBinding:system:deployers already exists"));
        assert!(is("RoleBinding \"system:deployers\" already exists"));
        assert!(is(
            "rolebindings.rbac.authorization.k8s.io \"system:deployers\" already exists"
        ));
        assert!(!is("RoleBinding:system:builders already exists"));
        assert!(!is("Role:system:deployers already exists"));
        assert!(!is("RoleBinding:system:deployers cannot be changed"));
    }
}
