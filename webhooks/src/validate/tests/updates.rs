//! Nothing of ours stands in the way of finalizers, deletion, status, or of a test whose license has expired.

use kymaros_crds::domain::FieldError;
use serde_json::{Value, json};

use super::{Cluster, Kind, Verdict, paths, test, validate};

fn update(old: &Value, new: &Value) -> Verdict {
    validate(Kind::RestoreTest, new, Some(old), &Cluster::default())
}

fn broken() -> Value {
    test(&[("schedule.cron", json!("x")), ("sandbox.ttll", json!("1h"))])
}

fn with_more(count: usize) -> Value {
    let more: Vec<Value> = (0..count)
        .map(|i| json!({ "provider": "velero", "namespaces": [{ "name": format!("db{i}") }] }))
        .collect();
    test(&[("additionalSources", json!(more))])
}

#[test]
fn a_change_of_anything_but_the_spec_is_taken() {
    let mut finalized = broken();
    finalized["metadata"]["finalizers"] = json!(["kymaros.io/sandbox-cleanup"]);
    finalized["metadata"]["labels"] = json!({ "a": "b" });
    finalized["status"] = json!({ "phase": "Idle" });
    assert_eq!(update(&broken(), &finalized), Verdict::default());
    assert_eq!(update(&finalized, &broken()), Verdict::default());
}

#[test]
fn an_object_that_goes_is_let_go() {
    let mut going = test(&[("schedule.cron", json!("y")), ("historyLimit", json!("z"))]);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(update(&broken(), &going), Verdict::default());
    // Only the API server says so: nobody creates an object that is going.
    let created = validate(Kind::RestoreTest, &going, None, &Cluster::default());
    assert_ne!(created.errors, []);
}

#[test]
fn a_changed_spec_is_judged_whole() {
    let mut changed = broken();
    changed["spec"]["historyLimit"] = json!(3);
    let verdict = update(&broken(), &changed);
    assert_eq!(
        paths(&verdict.errors),
        ["spec.sandbox.ttll", "spec.schedule.cron"]
    );
    assert_eq!(
        update(&broken(), &test(&[])).errors,
        [] as [FieldError; 0],
        "mended"
    );
}

#[test]
fn only_new_sources_need_the_license() {
    let edited = |count| {
        let mut edited = with_more(count);
        edited["spec"]["schedule"]["cron"] = json!("30 4 * * *");
        edited
    };
    for (had, wants, is_taken) in [
        (2, 2, true),
        (2, 1, true),
        (2, 0, true),
        (0, 0, true),
        (1, 2, false),
        (0, 1, false),
    ] {
        let verdict = update(&with_more(had), &edited(wants));
        assert_eq!(
            verdict.errors.is_empty(),
            is_taken,
            "{had} to {wants}: {:?}",
            verdict.errors
        );
    }
    let mut other = with_more(1);
    other["spec"]["additionalSources"][0]["backupName"] = json!("nightly");
    assert!(
        update(&with_more(1), &other).errors.is_empty(),
        "an edit of what it has"
    );
}

#[test]
fn policies_follow_the_same_rules() {
    let broken = super::policy(&json!([{ "name": "x", "type": "exec" }]));
    let mut finalized = broken.clone();
    finalized["metadata"]["finalizers"] = json!(["example.com/x"]);
    let verdict = validate(
        Kind::HealthCheckPolicy,
        &finalized,
        Some(&broken),
        &Cluster::default(),
    );
    assert_eq!(verdict, Verdict::default());
}
