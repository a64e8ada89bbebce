//! Level 5, dependencies: what restored workloads name in other namespaces is covered by the test.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{Evidence, Level};
use crate::workloads::references::Reference;

const MAX: u32 = 10;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Vec<Finding>) -> Level {
    let Some(came) = evidence.came.filter(|_| evidence.restored()) else {
        return Level::not_tested(MAX, "nothing was restored");
    };
    let mut covered = Vec::new();
    let mut outside = Vec::new();
    for (source, reference) in came
        .references
        .iter()
        .filter(|(source, r)| r.namespace != *source && !belongs_to_cluster(r))
    {
        let text = format!(
            "{} → {}.{}",
            reference.from, reference.service, reference.namespace
        );
        if evidence.namespaces.contains(&reference.namespace.as_str()) {
            covered.push(text);
        } else {
            findings.push(Finding {
                level: FindingLevel::CrossNamespaceDeps,
                severity: Severity::Warning,
                cause: Cause::Unknown,
                object: Some(reference.from.clone()),
                message: format!(
                    "{} of namespace {source} needs service {} of namespace {}, which the test does not restore",
                    reference.from, reference.service, reference.namespace
                ),
            });
            outside.push(text);
        }
    }
    let all = covered.len() + outside.len();
    let detail = match all {
        0 => "no reference to another namespace was found".to_owned(),
        _ => format!(
            "{} of {all} references to other namespaces are covered",
            covered.len()
        ),
    };
    let mut level = Level::share(MAX, covered.len(), all, detail);
    level.tested = covered;
    level.not_tested = outside;
    level
}

/// Every cluster has these, wherever a backup is restored.
fn belongs_to_cluster(reference: &Reference) -> bool {
    (reference.service == "kubernetes" && reference.namespace == "default")
        || reference.namespace.starts_with("kube-")
}
