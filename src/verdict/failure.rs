//! What Velero could not restore, and who is to blame for that.

use kymaros_crds::Cause;

use super::{
    SourceEvidence,
    blame::{misses_account, of_error},
};
use crate::{
    velero::{kinds, results::ObjectId},
    workloads::pods::missing_object,
};

impl SourceEvidence<'_> {
    /// Who is to blame for an error of the Restore. One that only misses an object has the cause for which that is not
    /// there.
    pub(super) fn blame(&self, message: &str) -> Cause {
        let cause = of_error(message);
        if cause != Cause::RestoreEngine {
            return cause;
        }
        self.of_missing(message).unwrap_or(cause)
    }

    fn of_missing(&self, message: &str) -> Option<Cause> {
        let (kind, name) = missing_object(message)?.missing?;
        let contents = self.contents?;
        let sandbox = subject(message).map(|[_, sandbox, _]| sandbox);
        let in_sandbox = |of: &str| sandbox.is_none_or(|sandbox| sandbox == of);
        let namespaces = self.mapping.iter().filter(|(_, of)| in_sandbox(of));
        let held: Vec<(&str, &ObjectId)> = namespaces
            .filter_map(|(namespace, _)| {
                let mut objects = contents.objects.get(namespace)?.iter();
                let object = objects.find(|o| o.short_kind() == kind && o.name == name)?;
                Some((namespace.as_str(), object))
            })
            .collect();
        if held.is_empty() {
            // Of other objects it is not known that they belong to the namespace.
            return misses_account(message).then_some(Cause::Backup);
        }
        if held.iter().all(|(namespace, object)| {
            !self.is_selected(namespace, object) || self.goes_with_jobs(namespace, object)
        }) {
            return Some(Cause::Sandbox);
        }
        held.iter()
            .find_map(|(namespace, object)| self.error_about(namespace, object))
            .map(of_error)
    }

    /// Why Velero could not restore an object of a source namespace, in its own words and by cause.
    pub(super) fn failure_of(&self, namespace: &str, object: &ObjectId) -> Option<(Cause, &str)> {
        let message = self.error_about(namespace, object)?;
        Some((self.blame(message), message))
    }

    fn error_about(&self, namespace: &str, object: &ObjectId) -> Option<&str> {
        let sandbox = self.mapping.get(namespace)?;
        let errors = self.outcome?.results.errors.namespaces.as_ref()?.get(sandbox)?;
        let message = errors.iter().find(|m| is_about(m, sandbox, object));
        message.map(String::as_str)
    }
}

fn is_about(message: &str, sandbox: &str, object: &ObjectId) -> bool {
    subject(message).is_some_and(|[resource, namespace, name]| {
        namespace == sandbox && name == object.name && kinds::is_resource_of(resource, object)
    })
}

/// Velero writes `error restoring configmaps/<namespace>/<name>: <reason>`, grouped kinds as `deployments.apps`.
pub(super) fn subject(message: &str) -> Option<[&str; 3]> {
    let (subject, _) = message.strip_prefix("error restoring ")?.split_once(": ")?;
    let mut parts = subject.splitn(3, '/');
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_matched_to_its_object() {
        let object = |kind: &str, name: &str| ObjectId {
            kind: kind.into(),
            name: name.into(),
        };
        let message =
            "error restoring deployments.apps/sb/web: Internal error occurred: failed calling webhook";
        assert!(is_about(message, "sb", &object("apps/v1/Deployment", "web")));
        assert!(!is_about(message, "sb", &object("apps/v1/Deployment", "web2")));
        assert!(!is_about(message, "sb2", &object("apps/v1/Deployment", "web")));
        assert!(!is_about(message, "sb", &object("v1/Service", "web")));
        assert!(!is_about(
            "no such format",
            "sb",
            &object("apps/v1/Deployment", "web")
        ));
    }
}
