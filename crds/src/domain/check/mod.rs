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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Checks of these names; each looks for an object of the second name.
    fn checks(all: &[(&str, &str)]) -> Vec<Check> {
        let raw = all.iter().map(|(name, object)| {
            json!({ "name": name, "type": "resourceExists",
                "resourceExists": { "resources": [{ "kind": "ConfigMap", "name": object }] } })
        });
        let raw: Vec<crate::Check> = raw.map(|check| serde_json::from_value(check).unwrap()).collect();
        parse_checks(&raw, "spec.checks").unwrap()
    }

    #[test]
    fn the_checks_of_a_policy_are_made_but_those_that_the_test_has_itself() {
        type Named<'a> = &'a [(&'a str, &'a str)];
        let table: [(Named<'_>, Named<'_>, Named<'_>); 6] = [
            (&[], &[], &[]),
            (&[("a", "policy")], &[], &[("a", "policy")]),
            (&[], &[("a", "own")], &[("a", "own")]),
            (
                &[("a", "policy"), ("b", "policy")],
                &[("c", "own")],
                &[("a", "policy"), ("b", "policy"), ("c", "own")],
            ),
            (
                &[("a", "policy"), ("b", "policy")],
                &[("a", "own"), ("c", "own")],
                &[("b", "policy"), ("a", "own"), ("c", "own")],
            ),
            // Only the very same name is the same check.
            (
                &[("a", "policy"), ("A", "policy")],
                &[("a", "own")],
                &[("A", "policy"), ("a", "own")],
            ),
        ];
        for (policy, own, all) in table {
            let merged = merge_checks(checks(policy), &checks(own));
            assert_eq!(merged, checks(all), "{policy:?} and {own:?}");
        }
    }
}
