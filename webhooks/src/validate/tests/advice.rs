//! What is legal but unwise.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, judge, policy, taken, tcp, test};

/// Exactly one warning at a path with some words.
fn warned(manifest: &Value, cluster: &Cluster, path: &str, said: &str) {
    taken(manifest, cluster);
    let warnings = judge(manifest, cluster).warnings;
    let [warning] = warnings.as_slice() else {
        panic!("{path}: {warnings:#?}")
    };
    assert_eq!(warning.path, path, "{warning}");
    assert!(warning.message.contains(said), "{warning}");
    let length = warning.to_string().chars().count();
    assert!(length <= 120, "{length}: {warning}");
    assert!(!warning.message.ends_with('…'), "{warning}");
}

fn fine(manifest: &Value, cluster: &Cluster) {
    let verdict = judge(manifest, cluster);
    assert_eq!(
        (verdict.errors.as_slice(), verdict.warnings.as_slice()),
        (&[][..], &[][..]),
        "{manifest}"
    );
}

#[test]
fn a_test_that_can_never_pass() {
    let cluster = Cluster::default();
    fine(&test(&[]), &cluster);
    let none = test(&[("healthChecks", json!({ "timeout": "5m" }))]);
    warned(&none, &cluster, "spec.healthChecks", "80 of 100");
    warned(&policy(&json!([])), &cluster, "spec.checks", "80 of 100");
    fine(&policy(&json!([tcp("x")])), &cluster);
}

#[test]
fn a_policy_that_is_not_there_yet() {
    let mut cluster = Cluster::default();
    let names_it = test(&[("healthChecks", json!({ "policyRef": "shop" }))]);
    let path = "spec.healthChecks.policyRef";
    warned(&names_it, &cluster, path, "no such HealthCheckPolicy yet");
    cluster.policies.insert("shop".into(), 0);
    warned(&names_it, &cluster, path, "has no checks");
    cluster.policies.insert("shop".into(), 1);
    fine(&names_it, &cluster);
}

#[test]
fn no_agreed_recovery_time() {
    let cluster = Cluster::default();
    warned(
        &test(&[("sla", Value::Null)]),
        &cluster,
        "spec.sla",
        "without maxRTO",
    );
}

#[test]
fn a_group_of_one() {
    let cluster = Cluster::default();
    let group = ("sandbox.networkIsolation", json!("group"));
    warned(
        &test(std::slice::from_ref(&group)),
        &cluster,
        "spec.sandbox.networkIsolation",
        "same as strict",
    );
    let two = (
        "backupSource.namespaces",
        json!([{ "name": "shop" }, { "name": "db" }]),
    );
    fine(&test(&[group, two]), &cluster);
}

#[test]
fn not_enough_time_for_what_the_last_runs_took() {
    let took = |minutes| Cluster {
        longest_run: Duration::from_mins(minutes) + Duration::from_millis(123),
        ..Cluster::default()
    };
    let limits = [("timeout", json!("30m")), ("sandbox.ttl", json!("40m"))];
    fine(&test(&limits), &took(29));
    warned(
        &test(&limits),
        &took(30),
        "spec.timeout",
        "took up to 30m, longer than a run may",
    );
    let verdict = judge(&test(&limits), &took(41));
    let paths: Vec<&str> = verdict.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(paths, ["spec.sandbox.ttl", "spec.timeout"]);
    let dense = [("schedule.cron", json!("*/15 * * * *"))];
    fine(&test(&dense), &took(14));
    warned(
        &test(&dense),
        &took(15),
        "spec.schedule.cron",
        "every 15m, but the last ones took up to 15m",
    );
}

#[test]
fn a_backup_by_its_name() {
    let cluster = Cluster::default();
    let named = ("backupSource.backupName", json!("nightly-20260101"));
    fine(&test(std::slice::from_ref(&named)), &cluster);
    let aged = test(&[named.clone(), ("backupSource.maxAge", json!("26h"))]);
    warned(&aged, &cluster, "spec.backupSource.maxAge", "write scheduleName");
    let source = |backup: Value| {
        let mut source = json!([{ "provider": "velero", "namespaces": [{ "name": "db" }] }]);
        source[0]["backupName"] = backup;
        ("additionalSources", source)
    };
    let licensed = Cluster {
        license: super::Licensed {
            tier: super::Tier::Team,
            why: None,
        },
        ..Cluster::default()
    };
    let mixed = test(&[named.clone(), source(json!("latest"))]);
    warned(&mixed, &licensed, "spec.backupSource.backupName", "drift apart");
    fine(&test(&[named, source(json!("db-20260101"))]), &licensed);
}

#[test]
fn schedules_kept_for_compatibility() {
    let cluster = Cluster::default();
    for (cron, zone, said) in [
        ("@every 6h", "", "counts from the run before"),
        ("0 3 ? * *", "", "read as *"),
        (
            "CRON_TZ=America/Argentina/Buenos_Aires 0 3 * * *",
            "",
            "schedule.timezone",
        ),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "UTC", "UTC there is not used"),
    ] {
        let manifest = test(&[("schedule.cron", json!(cron)), ("schedule.timezone", json!(zone))]);
        warned(&manifest, &cluster, "spec.schedule.cron", said);
    }
}
