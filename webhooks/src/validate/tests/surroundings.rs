//! What only a cluster can know.

use kymaros_crds::domain::Tier;
use serde_json::{Value, json};

use super::{Cluster, Licensed, NamespaceState, Nothing, Usage, judge, named, paths, refused, taken, test};
use crate::validate::Unchecked;

const SOURCE: &str = "spec.backupSource.namespaces[0].name";
const SANDBOX: &str = "spec.backupSource.namespaces[0].sandboxName";

fn with_sandbox(name: &str) -> Value {
    test(&[("backupSource.namespaces[0].sandboxName", json!(name))])
}

fn with_more(count: usize) -> Value {
    let more: Vec<Value> = (0..count)
        .map(|i| json!({ "provider": "velero", "namespaces": [{ "name": format!("db{i}") }] }))
        .collect();
    test(&[("additionalSources", json!(more))])
}

#[test]
fn a_sandbox_is_no_source() {
    let mut cluster = Cluster::default();
    taken(&test(&[]), &cluster);
    cluster
        .namespaces
        .insert("shop".into(), NamespaceState::SandboxOf(named("other")));
    refused(
        &test(&[]),
        &cluster,
        SOURCE,
        "shop",
        "a sandbox of the test tests/other",
    );
    // Not even before it exists.
    let mut cluster = Cluster::default();
    cluster
        .others
        .push((Usage::Sandbox, "shop".into(), named("other")));
    refused(
        &test(&[]),
        &cluster,
        SOURCE,
        "shop",
        "a sandboxName of the test tests/other",
    );
}

#[test]
fn a_sandbox_takes_nobodys_place() {
    let mut cluster = Cluster::default();
    taken(&with_sandbox("shop-check"), &cluster);
    refused(
        &with_sandbox("db"),
        &cluster,
        SANDBOX,
        "db",
        "choose a name that is free",
    );
    cluster
        .namespaces
        .insert("shop-check".into(), NamespaceState::SandboxOf(named("other")));
    refused(
        &with_sandbox("shop-check"),
        &cluster,
        SANDBOX,
        "shop-check",
        "of the test tests/other",
    );
    // Its own sandbox is there while a run goes on.
    cluster
        .namespaces
        .insert("shop-check".into(), NamespaceState::SandboxOf(named("shop")));
    taken(&with_sandbox("shop-check"), &cluster);
    // Labels hold only the start of a long name.
    let long = "x".repeat(80);
    let mut of_long = with_sandbox("shop-check");
    of_long["metadata"]["name"] = long.as_str().into();
    let cut = kymaros_crds::names::label_value(&long);
    cluster
        .namespaces
        .insert("shop-check".into(), NamespaceState::SandboxOf(named(&cut)));
    taken(&of_long, &cluster);
    cluster
        .namespaces
        .insert("shop-check".into(), NamespaceState::SandboxOf(named("shop")));
    for (usage, said) in [
        (Usage::Sandbox, "is a sandboxName of the test"),
        (Usage::Source, "is production"),
    ] {
        let mut cluster = Cluster::default();
        cluster.others.push((usage, "shop-check".into(), named("shop")));
        taken(&with_sandbox("shop-check"), &cluster);
        cluster.others.push((usage, "shop-check".into(), named("other")));
        refused(&with_sandbox("shop-check"), &cluster, SANDBOX, "shop-check", said);
    }
}

#[test]
fn more_sources_need_the_team_tier() {
    let mut cluster = Cluster::default();
    taken(&test(&[]), &cluster);
    refused(
        &with_more(1),
        &cluster,
        "spec.additionalSources",
        "1 source",
        "needs the Team tier",
    );
    let error = judge(&with_more(2), &cluster).errors.remove(0);
    assert_eq!(error.value, "2 sources");
    for said in [
        "this cluster has Community",
        "expired at 2027-12-31",
        "a test for each backup source",
        "its Secret (kymaros-license",
    ] {
        assert!(error.message.contains(said), "{error}");
    }
    for tier in [Tier::Team, Tier::Enterprise] {
        cluster.license = Licensed { tier, why: None };
        taken(&with_more(2), &cluster);
    }
}

#[test]
fn what_cannot_be_known_is_noted_and_not_refused() {
    let manifest = test(&[
        (
            "backupSource.namespaces",
            json!([{ "name": "kymaros-system", "sandboxName": "db" }]),
        ),
        (
            "additionalSources",
            with_more(1)["spec"]["additionalSources"].clone(),
        ),
        ("healthChecks.policyRef", json!("shop")),
    ]);
    let verdict = judge(&manifest, &Nothing);
    assert_eq!(paths(&verdict.errors), [] as [&str; 0]);
    assert_eq!(verdict.warnings, []);
    let all = [
        Unchecked::Home,
        Unchecked::Namespaces,
        Unchecked::OtherTests,
        Unchecked::Policies,
        Unchecked::Runs,
        Unchecked::License,
    ];
    assert_eq!(verdict.unchecked.into_iter().collect::<Vec<_>>(), all);
    // What stands in the object itself is refused anywhere.
    let system = test(&[("backupSource.namespaces[0].name", json!("kube-system"))]);
    refused(&system, &Nothing, SOURCE, "kube-system", "never copied");
    assert!(judge(&test(&[]), &Cluster::default()).unchecked.is_empty());
}
