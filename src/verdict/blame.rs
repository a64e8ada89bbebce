//! Who is to blame for what Velero reports: its texts, classified.

use std::{borrow::Cow, sync::LazyLock};

use jiff::Timestamp;
use kymaros_crds::Cause;
use regex::Regex;

use super::SourceEvidence;
use crate::{
    run::observed::Fetched,
    source::SourceObject,
    velero::{movers::NO_AGENT, restore::JOB_LABELS, results::ObjectId},
};

impl SourceEvidence<'_> {
    /// Whether a claim of which Velero recorded no volume had none when the backup was taken, and so no data. The source
    /// knows since when it has one; without it, a backup that takes volumes in records each of them.
    pub(super) fn was_unbound(&self, namespace: &str, claim: &ObjectId) -> bool {
        let began = self.backup.and_then(|b| b.started.as_ref());
        // Times are cut to the second, and what cannot be told accuses nobody.
        let came_later = |moment: Timestamp| began.is_some_and(|b| moment.as_second() >= b.0.as_second());
        let there = self
            .source
            .and_then(Fetched::get)
            .and_then(|s| s.objects.get(namespace));
        let same = there.and_then(|objects| {
            let same = |o: &&SourceObject| o.id == *claim && !came_later(o.created);
            objects.iter().find(same)
        });
        same.map_or_else(
            || self.backup.is_some_and(|b| b.without_volumes != Some(true)),
            |claim| claim.bound.is_none_or(came_later),
        )
    }

    /// Who is to blame when an object that the backup lists did not come back: an archive that is broken brings back what
    /// comes before the break, and Velero lists an object before it backs it up, so that what a plugin or a hook failed for is
    /// listed and not in the archive of a backup that is `PartiallyFailed`.
    pub(super) fn of_absence(&self) -> Cause {
        let is_partial = self.backup.and_then(|b| b.phase.as_deref()) == Some("PartiallyFailed");
        let mut errors = self.outcome.into_iter().flat_map(|o| o.results.errors.all());
        if is_partial || errors.any(|message| of_error(message) == Cause::Backup) {
            Cause::Backup
        } else {
            Cause::RestoreEngine
        }
    }

    /// Who is to blame when nothing of a namespace came back: whoever refused it, the labels of the test where the backup holds
    /// something, and else the backup.
    pub(super) fn of_nothing(&self, namespace: &str, sandbox: &str) -> Cause {
        let errors = self
            .outcome
            .and_then(|o| o.results.errors.namespaces.as_ref()?.get(sandbox));
        let causes: Vec<Cause> = errors
            .into_iter()
            .flatten()
            .map(|error| of_error(error))
            .collect();
        let holds = || self.contents.and_then(|contents| contents.objects.get(namespace));
        let is_by_labels = causes.is_empty() && !self.selector.is_empty();
        let is_refused = !causes.is_empty() && causes.iter().all(|cause| *cause == Cause::Sandbox);
        if is_refused || is_by_labels && holds().is_some_and(|objects| !objects.is_empty()) {
            Cause::Sandbox
        } else {
            Cause::Backup
        }
    }

    /// Whether an object is one that the test restores. Without labels it is all of them; with some it is what came, for
    /// the list of a backup does not tell labels.
    pub(super) fn is_selected(&self, namespace: &str, object: &ObjectId) -> bool {
        let came = || {
            let sandbox = self.mapping.get(namespace)?;
            self.outcome?.restored.objects.get(sandbox)
        };
        self.selector.is_empty() || came().is_some_and(|objects| objects.contains_key(object))
    }

    /// Whether an object has a label by which the Restore leaves out what belongs to Jobs: mostly pods have one. A backup does
    /// not tell labels, so it is known only of what the source still lists, which leaves out what others own and, unless the
    /// settings of the operator allow it, Secrets.
    pub(super) fn goes_with_jobs(&self, namespace: &str, object: &ObjectId) -> bool {
        let there = self.source.and_then(Fetched::get);
        let objects = there.and_then(|s| s.objects.get(namespace)).into_iter().flatten();
        let began = self.backup.and_then(|b| b.started.as_ref());
        let mut same = objects.filter(|o| {
            let is_as_old = began.is_some_and(|b| o.created.as_second() <= b.0.as_second());
            is_as_old && o.id.without_version() == object.without_version()
        });
        let came = || self.outcome?.restored.objects.get(self.mapping.get(namespace)?);
        let was_tried = came().is_some_and(|objects| objects.contains_key(object));
        !was_tried && same.any(|o| JOB_LABELS.iter().any(|label| o.labels.contains_key(*label)))
    }
}

/// Whether a pod was refused only because its account is not there. The API server says `is forbidden` of that, too.
pub(super) fn misses_account(message: &str) -> bool {
    let behind = message.split_once("is forbidden: error looking up service account ");
    behind.is_some_and(|(_, why)| why.contains("not found"))
}

/// A message without the names of objects in it, which are anybody's words: what stands in quotes without a blank, and
/// the path that Velero says it restores.
fn without_names(message: &str) -> Cow<'_, str> {
    static NAMES: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#""[^"\s]*"|error restoring [^:\s]*"#).ok());
    NAMES
        .as_ref()
        .map_or(Cow::Borrowed(message), |names| names.replace_all(message, ""))
}

/// What is said of an archive that is gone or broken.
const BROKEN: &[&str] = &[
    "gzip",
    "unexpected eof",
    "invalid header",
    "archive/tar",
    "error downloading backup",
];

/// Whether Velero failed a Restore because it did not find the Backup. It was there when it was chosen.
#[must_use]
pub fn misses_backup(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    reason.contains("can't find backup") && reason.contains("not found")
}

/// A restore that failed as a whole. A Velero that restarted, or a storage location that is away, says nothing about
/// the backup, and a plugin that does not start no more than that Velero cannot restore.
pub(super) fn of_failure(reason: &str) -> Cause {
    // No name of an object has blanks around it.
    let reason = format!(" {} ", without_names(reason).to_ascii_lowercase());
    let says = |words: &[&str]| words.iter().any(|w| reason.contains(w));
    if is_out_of_reach(&reason)
        || misses_backup(&reason)
        || says(&[
            "during the server starting",
            "unavailable",
            "storage location",
            "storagelocation",
        ])
    {
        Cause::Sandbox
    } else if says(&[" plugin "]) {
        Cause::RestoreEngine
    } else if says(BROKEN) || says(&["not found", "cannot be used as a restore source"]) {
        Cause::Backup
    } else {
        Cause::RestoreEngine
    }
}

/// Whether somebody who was needed did not answer, or did not let Velero in: the storage, the API server, the network
/// between. Whatever was on its way says nothing about the backup then.
pub(super) fn is_out_of_reach(message: &str) -> bool {
    const WORDS: &[&str] = &[
        "dial tcp",
        "i/o timeout",
        "connection refused",
        "connection reset",
        "broken pipe",
        "no such host",
        "no route to host",
        "network is unreachable",
        "tls handshake timeout",
        "certificate signed by unknown authority",
        "context deadline exceeded",
        "request timed out",
        "request canceled",
        "too many requests",
        "service unavailable",
        "slowdown",
        "etcdserver",
        "leader changed",
        "access denied",
        "accessdenied",
        "invalidaccesskeyid",
        "signaturedoesnotmatch",
        "expiredtoken",
        "node-agent pod is not running",
    ];
    let message = without_names(message).to_ascii_lowercase();
    WORDS.iter().any(|word| message.contains(word))
}

/// Why the data of a volume did not arrive, in the words of Velero and of the repository that it keeps data in.
pub(super) fn of_data_movement(message: &str) -> Cause {
    const GONE: &[&str] = &[
        "repository not initialized",
        "repository not found",
        "blob not found",
        "content not found",
        "object not found",
        "snapshot not found",
        "unable to load snapshot",
        "unable to open object",
        "nosuchkey",
        "invalid checksum",
        "corrupt",
        "unable to decrypt",
    ];
    // A node agent that restarts, or a node that does not start its pods, ends the movement that it had begun.
    const DISTURBED: &[&str] = &[
        "mark it as cancel",
        "marked as cancel",
        "pod volume restore canceled",
        "timeout on preparing",
        "abnormal status",
        "is canceled",
    ];
    let lower = message.to_ascii_lowercase();
    let disturbed = DISTURBED.iter().any(|words| lower.contains(words));
    if is_out_of_reach(message) || disturbed || message == NO_AGENT {
        Cause::Sandbox
    } else if GONE.iter().any(|words| lower.contains(words)) {
        Cause::Backup
    } else {
        Cause::RestoreEngine
    }
}

/// One error of a restore.
pub(super) fn of_error(message: &str) -> Cause {
    let nameless = without_names(message).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| nameless.contains(w));
    if is_out_of_reach(message) {
        return Cause::Sandbox;
    }
    if misses_account(message) {
        return Cause::RestoreEngine;
    }
    if says(&[
        // Quotas, Pod Security, admission policies, missing rights: the API server's word for all of them.
        "is forbidden:",
        "denied the request",
        "failed calling webhook",
        "conversion webhook for",
        "minimum cpu",
        "maximum cpu",
        "maximum memory",
        // The limit range of the sandbox.
        "must be less than or equal to",
        "provided port is already allocated",
        "may not be used when",
    ]) {
        Cause::Sandbox
    } else if says(BROKEN) {
        Cause::Backup
    } else if says(&[
        "pod volume restore failed",
        "pod volume restore canceled",
        "data path",
    ]) {
        of_data_movement(message)
    } else {
        Cause::RestoreEngine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_reached_is_told_from_what_is_broken() {
        let away = "error downloading backup: Get \"http://s3:9000/b\": dial tcp 10.0.0.1:9000: connect: connection refused";
        assert_eq!(
            (of_error(away), of_failure(away)),
            (Cause::Sandbox, Cause::Sandbox)
        );
        let busy = "error restoring secrets/sb/s: etcdserver: request timed out";
        assert_eq!(of_error(busy), Cause::Sandbox);
        let alone =
            "node-agent pod is not running in node n: daemonset pod not found in running state in node n";
        assert_eq!(of_error(alone), Cause::Sandbox);
        let converted = "error restoring widgets.example.com/sb/w: conversion webhook for example.com/v1, Kind=Widget \
                         failed: Post \"https://w.example.svc:443/convert?timeout=30s\": no endpoints available for service \"w\"";
        assert_eq!(of_error(converted), Cause::Sandbox);
        let limited = "error restoring pods/sb/web: Pod \"web\" is invalid: spec.containers[0].resources.requests: \
                       Invalid value: \"3\": must be less than or equal to cpu limit of 2";
        assert_eq!(of_error(limited), Cause::Sandbox);
        let cut = "error downloading backup: gzip: invalid header";
        assert_eq!((of_error(cut), of_failure(cut)), (Cause::Backup, Cause::Backup));
        let gone = "error downloading backup: NoSuchKey: the specified key does not exist";
        assert_eq!((of_error(gone), of_failure(gone)), (Cause::Backup, Cause::Backup));
        assert_eq!(
            of_error("error restoring secrets/sb/s: odd"),
            Cause::RestoreEngine
        );
    }

    #[test]
    fn names_of_objects_accuse_nobody() {
        for name in ["gzip-conf", "slowdown", "etcdserver"] {
            let message = format!("error restoring configmaps/sb/{name}: ConfigMap \"{name}\" is invalid");
            assert_eq!(of_error(&message), Cause::RestoreEngine, "{name}");
        }
        let refused = "error restoring secrets/sb/archive: admission webhook \"etcdserver.example.com\" denied the request: no";
        assert_eq!(of_error(refused), Cause::Sandbox);
        let gone = "error downloading backup \"gzip\": dial tcp: connection refused";
        assert_eq!(of_failure(gone), Cause::Sandbox);
        assert_eq!(without_names("é \"é\" \"a b\" e"), "é  \"a b\" e");
    }

    #[test]
    fn a_plugin_that_does_not_start_says_nothing_about_the_backup() {
        let never = "error getting restore item actions: timeout while waiting for plugin to start";
        assert_eq!(of_failure(never), Cause::RestoreEngine);
        let unknown = "unable to locate ObjectStore plugin named example.com/target-backup: not found";
        assert_eq!(of_failure(unknown), Cause::RestoreEngine);
        assert_eq!(
            of_failure("the target could not be started again"),
            Cause::RestoreEngine
        );
        assert_eq!(of_failure("archive/tar: invalid tar header"), Cause::Backup);
        let gone = "Error retrieving backup: can't find backup velero/my-plugin: backups.velero.io \"my-plugin\" not found";
        assert!(misses_backup(gone));
        assert_eq!(
            of_failure(gone),
            Cause::Sandbox,
            "it was there when it was chosen"
        );
        let failed = "backup \"b\" is in phase \"Failed\" and cannot be used as a restore source";
        assert!(!misses_backup(failed));
        assert_eq!(of_failure(failed), Cause::Backup);
    }

    #[test]
    fn data_that_is_gone_from_the_repository_is_told_from_a_mover_that_failed() {
        let gone = "data path restore failed: error to connect to repository: repository not initialized in the \
                    provided storage";
        assert_eq!(of_data_movement(gone), Cause::Backup);
        let away = "error to connect backup repo: Get \"http://s3\": dial tcp: connect: connection refused";
        assert_eq!(of_data_movement(away), Cause::Sandbox);
        assert_eq!(of_data_movement("no space left on device"), Cause::RestoreEngine);
        assert_eq!(of_data_movement(NO_AGENT), Cause::Sandbox);
        let disturbed = "Resume InProgress PVR failed with error bad node, mark it as cancel";
        assert_eq!(of_data_movement(disturbed), Cause::Sandbox);
        assert_eq!(
            of_error("pod volume restore canceled: found a data path"),
            Cause::Sandbox
        );
        let dropped = "pod volume restore failed: data path restore failed: unable to open object: da0ce6: BLOB not found";
        assert_eq!(of_error(dropped), Cause::Backup);
    }
}
