use std::path::Path;

use super::{Place, Rule, Setting, template};
use crate::source::kinds;

fn all() -> impl Iterator<Item = (Place, &'static Rule)> {
    Place::ALL
        .into_iter()
        .flat_map(|place| place.rules().iter().map(move |rule| (place, rule)))
}

fn committed(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

#[test]
fn the_committed_roles_are_those_of_the_rules() {
    let path = "charts/kymaros/templates/_rules.tpl";
    assert!(
        committed(path) == template(),
        "{path} is not up to date; run: cargo xtask generate"
    );
}

#[test]
fn what_needs_a_right_exists() {
    for (place, rule) in all() {
        assert!(
            !rule.needed_by.is_empty() && !rule.why.is_empty(),
            "{place:?}: {rule:?}"
        );
        for file in rule.needed_by {
            assert!(
                !committed(file).is_empty(),
                "{place:?}: {file} is not there, so nothing needs {rule:?}"
            );
        }
        for (verb, when) in rule.rarely {
            assert!(
                rule.verbs.contains(verb) && !when.is_empty(),
                "{place:?}: {verb} of {rule:?}"
            );
        }
    }
}

#[test]
fn no_rights_over_everything_outside_of_sandboxes() {
    for (place, rule) in all().filter(|(place, _)| *place != Place::Sandbox) {
        let wildcards = rule
            .groups
            .iter()
            .chain(rule.resources)
            .chain(rule.verbs)
            .filter(|word| **word == "*");
        assert_eq!(wildcards.count(), 0, "{place:?}: {rule:?}");
    }
}

#[test]
fn secrets_are_read_by_name_only() {
    // Whoever installs the chart may open them for the comparison with the source, and those of the operator's own namespace
    // for the ways to other clusters.
    let by_default = |rule: &Rule| !matches!(rule.when, Some(Setting::CompareSecrets | Setting::Clusters));
    for (place, rule) in all().filter(|(_, rule)| rule.resources.contains(&"secrets") && by_default(rule)) {
        assert!(
            rule.name.is_some() || rule.verbs == ["create"],
            "{place:?} opens every Secret of a namespace: {rule:?}"
        );
        let is_named_by_installer = rule.when == Some(Setting::AuthoritySecrets) && rule.verbs == ["get"];
        assert!(
            matches!(place, Place::Own | Place::Receivers | Place::UninstallOwn) || is_named_by_installer,
            "{place:?} opens Secrets: {rule:?}"
        );
    }
}

#[test]
fn ways_to_other_clusters_are_looked_for_in_the_operators_own_namespace_only() {
    let opened: Vec<_> = all()
        .filter(|(_, rule)| rule.when == Some(Setting::Clusters))
        .collect();
    assert_eq!(opened.len(), 1);
    let (place, rule) = opened[0];
    assert_eq!((place, rule.verbs), (Place::Own, &["list", "watch"][..]));
}

#[test]
fn every_kind_of_a_source_may_be_listed() {
    for kind in kinds::KINDS.iter().chain([&kinds::SECRETS]) {
        let allowed = Place::Cluster.rules().iter().any(|rule| {
            rule.groups.contains(&kind.group)
                && rule.resources.contains(&kind.plural)
                && rule.verbs.contains(&"list")
        });
        assert!(allowed, "{kind:?}");
    }
}

#[test]
fn names_never_narrow_what_they_cannot() {
    for (place, rule) in all().filter(|(_, rule)| rule.name.is_some()) {
        for verb in ["create", "deletecollection"] {
            assert!(
                !rule.verbs.contains(&verb),
                "{place:?}: {verb} is never granted by a name: {rule:?}"
            );
        }
    }
}

#[test]
fn the_fences_cannot_be_taken_down_by_the_operator() {
    let fences = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
    for (place, rule) in all().filter(|(_, rule)| rule.resources.iter().any(|r| fences.contains(r))) {
        assert!(rule.name.is_some(), "{place:?}: {rule:?}");
        let deletes = rule.verbs.contains(&"delete");
        assert!(!deletes || place == Place::Uninstall, "{place:?}: {rule:?}");
    }
    let policies = all().filter(|(_, rule)| rule.resources.iter().any(|r| r.contains("admissionpolic")));
    assert_eq!(policies.count(), 0);
}
