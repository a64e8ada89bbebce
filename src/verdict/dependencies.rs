//! Level 5, dependencies: what restored workloads name in other namespaces is covered by the test.

use kymaros_crds::{Cause, Finding, FindingLevel, Severity};

use super::{Evidence, Level};
use crate::{
    reason::FindingReason,
    workloads::{
        outside::Need,
        references::{Name, Reference},
    },
};

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
        .filter(|(source, r)| r.to.namespace != *source && !belongs_to_cluster(&r.to))
    {
        let Reference { by, to } = reference;
        let text = format!("{by} → {}.{}", to.service, to.namespace);
        if evidence.namespaces.contains(&to.namespace.as_str()) {
            covered.push(text);
        } else {
            findings.push(Finding {
                level: FindingLevel::CrossNamespaceDeps,
                severity: Severity::Warning,
                cause: Cause::Unknown,
                reason: FindingReason::DependencyNotTested.into(),
                object: Some(by.to_string()),
                message: format!(
                    "{by} of namespace {source} needs service {} of namespace {}, which the test does not restore",
                    to.service, to.namespace
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

/// What a workload may need that no sandbox reaches, in a sentence: a Service by a name with a namespace in it, a host
/// outside of the cluster, a cloud, the API server. Of these, Services alone excuse a check.
pub(super) fn needed(evidence: &Evidence<'_>, source: &str, workload: &str) -> Option<String> {
    if let Some(reference) = blocked(evidence, Some(source), Some(workload)) {
        return Some(out_of_reach(reference));
    }
    let outside = evidence.came.into_iter().flat_map(|came| &came.outside);
    let mut needs = outside.filter(|(of, outside)| of == source && outside.from == workload);
    needs.find_map(|(_, outside)| match &outside.need {
        Need::Account { account } => {
            let binding = binding_of(evidence, source, account)?;
            Some(format!("{outside} (ClusterRoleBinding/{binding})"))
        }
        Need::Host(_)
        | Need::Alias { .. }
        | Need::Secret { .. }
        | Need::Environment { .. }
        | Need::Cloud { .. }
        | Need::ApiServer { .. } => Some(outside.to_string()),
    })
}

/// What seems to give an account rights in the whole cluster: Velero takes the `ClusterRoleBindings` of an account into its
/// backup, or all there are, and its list tells their names alone. Those of one product have the account's name in theirs.
fn binding_of<'a>(evidence: &Evidence<'a>, source: &str, account: &str) -> Option<&'a String> {
    let of_source = evidence.sources.iter().filter(|s| s.mapping.contains_key(source));
    let mut bindings = of_source
        .filter_map(|s| s.contents)
        .flat_map(|contents| &contents.cluster_role_bindings);
    bindings.find(|binding| is_named_for(binding, account))
}

/// Whether a binding has the name of an account in its own, as whole words. Kubernetes has some for itself.
fn is_named_for(binding: &str, account: &str) -> bool {
    let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    let mut found = binding.match_indices(account).map(|(at, found)| {
        let before = binding[..at].chars().next_back();
        let behind = binding[at + found.len()..].chars().next();
        is_end(before) && is_end(behind)
    });
    let is_of_kubernetes = ["system:", "kubeadm:", "cluster-admin"]
        .iter()
        .any(|of| binding.starts_with(of));
    !is_of_kubernetes && found.any(|is_whole| is_whole)
}

/// A name in another namespace, or with its own namespace in it, which leads out of the sandbox to nothing. Whoever
/// needs it cannot work there, and that says nothing about the backup. `of` is the workload that may need it; without one,
/// what a check asks may, unless it is the API server.
pub(super) fn blocked<'a>(
    evidence: &Evidence<'a>,
    source: Option<&str>,
    of: Option<&str>,
) -> Option<&'a Reference> {
    let references = evidence.came.into_iter().flat_map(|came| &came.references);
    let mut of_these = references.filter(|(namespace, reference)| {
        let may_concern = match of {
            Some(workload) => reference.by.may_concern(workload),
            None => reference.by.may_concern_a_check() && !is_api_server(&reference.to),
        };
        let excuses_nothing = reference.to.namespace == "kube-system";
        source.is_none_or(|source| namespace == source) && may_concern && !excuses_nothing
    });
    of_these.next().map(|(_, reference)| reference)
}

/// Why it does not work.
pub(super) fn out_of_reach(reference: &Reference) -> String {
    let Reference { by, to } = reference;
    format!(
        "{by} names {}.{}, which a sandbox does not reach",
        to.service, to.namespace
    )
}

/// Every cluster has these, wherever a backup is restored.
fn belongs_to_cluster(name: &Name) -> bool {
    is_api_server(name) || name.namespace.starts_with("kube-")
}

fn is_api_server(name: &Name) -> bool {
    name.service == "kubernetes" && name.namespace == "default"
}
