//! Health checks.

mod action;
mod parse;
mod pattern;

use std::collections::BTreeSet;

pub use action::{CheckAction, ResourceRef};
pub use pattern::Pattern;

use super::{
    Invalid, NamespaceName,
    problems::{Problems, set},
};

/// One health check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name, unique among the checks of a run.
    pub name: String,
    /// The source namespace it looks at. `None`: every sandbox where its target exists, at least one.
    pub namespace: Option<NamespaceName>,
    /// Its failure makes the result `fail`.
    pub required: bool,
    /// What it does.
    pub action: CheckAction,
}

/// Parses a list of checks that stands at a path such as `spec.checks`.
///
/// # Errors
/// All that is wrong with any of them.
pub fn parse_checks(checks: &[crate::Check], path: &str) -> Result<Vec<Check>, Invalid> {
    let mut problems = Problems::default();
    let parsed = parse_into(checks, path, &mut problems);
    problems.finish(Some(parsed))
}

/// The checks of a policy and of a test together. A test's own check stands in for the policy's of the same name.
#[must_use]
pub fn merge_checks(policy: Vec<Check>, own: &[Check]) -> Vec<Check> {
    let is_replaced = |check: &Check| own.iter().any(|o| o.name == check.name);
    policy
        .into_iter()
        .filter(|c| !is_replaced(c))
        .chain(own.iter().cloned())
        .collect()
}

pub(super) fn parse_into(checks: &[crate::Check], path: &str, problems: &mut Problems) -> Vec<Check> {
    let mut names = BTreeSet::new();
    let mut parsed = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if check.name.trim().is_empty() {
            problems.report(
                &format!("{path}.name"),
                &check.name,
                "is empty; the report needs a name",
            );
        } else if !names.insert(check.name.as_str()) {
            problems.report(
                &format!("{path}.name"),
                &check.name,
                "is the name of two checks; give each its own",
            );
        }
        let namespace = set(check.namespace.as_deref())
            .and_then(|name| problems.ok(&format!("{path}.namespace"), name, name.parse::<NamespaceName>()));
        let action = parse::action(check, &path, problems);
        parsed.extend(action.map(|action| Check {
            name: check.name.clone(),
            namespace,
            required: check.required,
            action,
        }));
    }
    parsed
}
