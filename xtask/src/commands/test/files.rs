//! Which files of tests there are, and which of them disturb each other.

use std::fs;

use anyhow::Result;

use crate::operator::root;

/// Tests that need the inside of the test cluster: its storage, its network, its programs.
const INSIDE: [&str; 15] = [
    "cert_manager",
    "certificates",
    "chart_install",
    "clusters",
    "escapes",
    "foreign_kinds",
    "guides",
    "lifecycle",
    "network_policy",
    "policies",
    "process",
    "prometheus",
    "snapshots",
    "storage",
    "velero_away",
];

/// Files that leave the cluster alone and measure nothing: they need no API server, or have one of their own.
const OWN: [&str; 9] = [
    "alerts",
    "chart",
    "chart_flags",
    "chart_install",
    "guides",
    "lint",
    "manual",
    "policies",
    "terminal",
];

/// Files that stop Velero, its storage or the operator, take its fences away, change what it may do or what it is licensed
/// for, or measure time.
const ALONE: [&str; 16] = [
    "clusters",
    "dashboard",
    "escapes",
    "examples",
    "foreign_kinds",
    "guard",
    "license",
    "lifecycle",
    "network_policy",
    "operator_away",
    "orphans",
    "process",
    "prometheus",
    "several_sources",
    "velero_away",
    "webhooks_away",
];

/// Files that install and remove the operator that the others use.
const OPERATOR: [&str; 1] = ["install"];

/// What a file of tests needs for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Nothing: it runs beside all others.
    Own,
    /// Namespaces of its own: it runs beside others of its kind.
    Shared,
    /// The whole cluster, or its time: of the others only what needs nothing runs meanwhile.
    Alone,
    /// The operator itself, which is gone afterwards: it runs after all others, a test at a time.
    Operator,
}

/// What the file of this name needs. One that nobody thought of needs no more than most.
pub fn ground(name: &str) -> Ground {
    match name {
        own if OWN.contains(&own) => Ground::Own,
        alone if ALONE.contains(&alone) => Ground::Alone,
        operator if OPERATOR.contains(&operator) => Ground::Operator,
        _ => Ground::Shared,
    }
}

/// The files of tests, as cargo names them. A cluster of the user's own has no inside for us.
pub fn all(is_test_cluster: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["tests", "tests/testbed/tests"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            let is_file = path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned());
            names.extend(name.filter(|_| is_file));
        }
    }
    names.retain(|name| is_test_cluster || !INSIDE.contains(&name.as_str()));
    // Two packages may have a file of the same name.
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_list_is_that_of_a_file() {
        let all = all(true).unwrap();
        let listed = INSIDE.into_iter().chain(OWN).chain(ALONE).chain(OPERATOR);
        let unknown: Vec<&str> = listed
            .filter(|name| !all.iter().any(|file| file == name))
            .collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }
}
