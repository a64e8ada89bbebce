//! Who is to blame for what Velero reports: its texts, classified.

use kymaros_crds::Cause;

use super::SourceEvidence;
use crate::{
    run::observed::Fetched,
    velero::{kinds, results::ObjectId},
    workloads::pods::missing_object,
};

impl SourceEvidence<'_> {
    /// Who is to blame for an error of the Restore. One that only misses an object which was refused itself has the
    /// cause of that refusal.
    pub(super) fn blame(&self, message: &str) -> Cause {
        let cause = of_error(message);
        if cause != Cause::RestoreEngine {
            return cause;
        }
        self.refused_before(message).unwrap_or(cause)
    }

    fn refused_before(&self, message: &str) -> Option<Cause> {
        let (kind, name) = missing_object(message)?.missing?;
        let mut held = self
            .contents?
            .objects
            .iter()
            .filter(|(n, _)| self.mapping.contains_key(*n));
        held.find_map(|(namespace, objects)| {
            let object = objects
                .iter()
                .find(|o| o.short_kind() == kind && o.name == name)?;
            self.failure_of(namespace, object).map(|(cause, _)| cause)
        })
    }

    /// Why Velero could not restore an object of a source namespace, in its own words and by cause.
    pub(super) fn failure_of(&self, namespace: &str, object: &ObjectId) -> Option<(Cause, &str)> {
        let sandbox = self.mapping.get(namespace)?;
        let errors = self.outcome?.results.errors.namespaces.as_ref()?.get(sandbox)?;
        let message = errors.iter().find(|m| is_about(m, sandbox, object))?;
        Some((of_error(message), message))
    }

    /// Whether the source still has this claim, and it never got a volume: nothing used it, so it has no data.
    pub(super) fn never_bound(&self, namespace: &str, claim: &ObjectId) -> bool {
        let there = self
            .source
            .and_then(Fetched::get)
            .and_then(|s| s.objects.get(namespace));
        there.is_some_and(|objects| objects.iter().any(|o| o.id == *claim && !o.has_data))
    }
}

/// Velero writes `error restoring configmaps/<namespace>/<name>: <reason>`, grouped kinds as `deployments.apps`.
fn is_about(message: &str, sandbox: &str, object: &ObjectId) -> bool {
    let subject = message
        .strip_prefix("error restoring ")
        .and_then(|rest| rest.split_once(": "))
        .map(|(subject, _)| subject.splitn(3, '/').collect::<Vec<_>>());
    match subject.as_deref() {
        Some([resource, namespace, name]) => {
            *namespace == sandbox && *name == object.name && kinds::is_resource_of(resource, object)
        }
        _ => false,
    }
}

/// A restore that failed as a whole. A Velero that restarted, or a storage location that is away, says nothing about
/// the backup.
pub(super) fn of_failure(reason: &str) -> Cause {
    let says = |words: &[&str]| words.iter().any(|w| reason.to_ascii_lowercase().contains(w));
    if says(&[
        "during the server starting",
        "unavailable",
        "storage location",
        "storagelocation",
    ]) {
        Cause::Sandbox
    } else if says(&["not found", "backup", "gzip", "tar", "eof"]) {
        Cause::Backup
    } else {
        Cause::RestoreEngine
    }
}

/// One error of a restore.
pub(super) fn of_error(message: &str) -> Cause {
    let says = |words: &[&str]| words.iter().any(|w| message.to_ascii_lowercase().contains(w));
    if says(&[
        // Quotas, Pod Security, admission policies, missing rights: the API server's word for all of them.
        "is forbidden:",
        "denied the request",
        "failed calling webhook",
        "minimum cpu",
        "maximum cpu",
        "maximum memory",
        "provided port is already allocated",
        "may not be used when",
        "connection refused",
    ]) {
        Cause::Sandbox
    } else if says(&[
        "gzip",
        "unexpected eof",
        "invalid header",
        "archive/tar",
        "error downloading backup",
    ]) {
        Cause::Backup
    } else {
        Cause::RestoreEngine
    }
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
