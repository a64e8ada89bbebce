//! What Velero's item operations did not do. Velero counts them as errors of the Restore, and writes the texts of most
//! of them into their own list only.

use std::collections::BTreeMap;

use kymaros_crds::{Cause, Finding};

use super::{
    SourceEvidence, blame,
    restore::{error, shorten},
    volumes,
};
use crate::{
    reason::FindingReason,
    velero::{
        kinds,
        movers::Fills,
        operations::{ItemOperation, OperationPhase},
        results::ObjectId,
    },
};

/// How Velero begins an error of an operation that failed while it still restored.
const REPEATED: &str = "error from restore item operation: ";

/// Operations that did not do what they were to do.
pub(super) fn undone<'a>(source: &SourceEvidence<'a>) -> Vec<&'a ItemOperation> {
    let operations = source.outcome.and_then(|o| o.operations.as_ref());
    operations
        .into_iter()
        .flatten()
        .filter(|operation| operation.is_undone())
        .collect()
}

/// Whether an error of the Restore says nothing but what one of the operations says.
pub(super) fn repeats(message: &str, undone: &[&ItemOperation]) -> bool {
    let said = message.strip_prefix(REPEATED);
    said.is_some_and(|said| undone.iter().any(|operation| operation.error == said))
}

/// How many of them lost something with the backup or the restore engine to blame; each becomes a finding, unless the
/// data mover of the same claim tells it.
pub(super) fn lost(
    source: &SourceEvidence<'_>,
    undone: &[&ItemOperation],
    findings: &mut Vec<Finding>,
) -> usize {
    let mut lost = 0;
    let is_told = |operation: &ItemOperation| {
        operation.is_of_claim() && volumes::tells_of(source, &operation.namespace, &operation.name)
    };
    for operation in undone.iter().filter(|operation| !is_told(operation)) {
        let cause = cause(source, operation);
        lost += usize::from(cause != Cause::Sandbox);
        let object = object(source, operation);
        let message = message(source, operation, &object);
        findings.push(error(FindingReason::RestoreError, cause, Some(object), message));
    }
    lost
}

/// Who is to blame for the operation that was to fill a claim and did not; its data mover may not have heard of that.
pub(super) fn cause_of_claim(source: &SourceEvidence<'_>, sandbox: &str, claim: &str) -> Option<Cause> {
    let is_it = |o: &&ItemOperation| o.is_of_claim() && o.namespace == sandbox && o.name == claim;
    let operation = undone(source).into_iter().find(is_it)?;
    Some(cause(source, operation))
}

/// How many operations failed as far as data movers tell: each of them that fills a claim belongs to one.
pub(super) fn told_by_movers(source: &SourceEvidence<'_>) -> usize {
    let movers = source.outcome.and_then(|o| o.movers.as_ref());
    let failed = movers.into_iter().flatten().filter(|m| !m.is_done());
    let told = failed.filter(|mover| match &mover.fills {
        Fills::Claim(claim) => volumes::tells_of(source, &mover.namespace, claim),
        Fills::PodVolume(..) => false,
    });
    told.count()
}

/// Who is to blame. That Velero waited no longer accuses nobody, unless the operation says more than that.
fn cause(source: &SourceEvidence<'_>, operation: &ItemOperation) -> Cause {
    let cause = match blame::of_data_movement(&operation.error) {
        Cause::RestoreEngine => source.blame(&operation.error),
        cause => cause,
    };
    if cause == Cause::RestoreEngine && operation.was_given_up() {
        Cause::Sandbox
    } else {
        cause
    }
}

/// What an operation works on, as `Kind/name`: Velero names the resource, and its lists name the kind.
fn object(source: &SourceEvidence<'_>, operation: &ItemOperation) -> String {
    let is_it = |object: &&ObjectId| {
        object.name == operation.name && kinds::is_resource_of(&operation.resource, object)
    };
    let restored = source
        .outcome
        .and_then(|o| o.restored.objects.get(&operation.namespace));
    let held =
        source_namespace(source, operation).and_then(|namespace| source.contents?.objects.get(namespace));
    let mut objects = restored
        .into_iter()
        .flat_map(BTreeMap::keys)
        .chain(held.into_iter().flatten());
    match objects.find(is_it) {
        Some(object) => object.display(),
        None => format!("{}/{}", operation.resource, operation.name),
    }
}

fn message(source: &SourceEvidence<'_>, operation: &ItemOperation, object: &str) -> String {
    let namespace = source_namespace(source, operation).unwrap_or(&operation.namespace);
    let of = match namespace {
        "" => object.to_owned(),
        namespace => format!("{object} of namespace {namespace}"),
    };
    let action = match operation.action.as_str() {
        "" => "a plugin of Velero",
        action => action,
    };
    let what = format!("the operation that {action} began for {of}");
    match (operation.phase, operation.error.as_str()) {
        (OperationPhase::Failed, "") => format!("{what} failed, and Velero gives no reason"),
        (OperationPhase::Failed, why) => format!("{what} failed: {}", shorten(why)),
        (_, "") => format!("{what} had not ended when Velero ended the restore"),
        (_, why) => format!(
            "{what} had not ended when Velero ended the restore: {}",
            shorten(why)
        ),
    }
}

fn source_namespace<'a>(source: &'a SourceEvidence<'_>, operation: &ItemOperation) -> Option<&'a str> {
    let mut mapping = source.mapping.iter();
    let (namespace, _) = mapping.find(|(_, sandbox)| **sandbox == operation.namespace)?;
    Some(namespace)
}
