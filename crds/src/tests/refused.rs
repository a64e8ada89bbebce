//! What is refused, where, and with which words. Whatever the operator would take, the API server takes too.

use crate::domain::FieldError;
use serde_json::{Value, json};

use super::{
    admission::{parse, refusals},
    compatibility::merge,
};

/// A small test, with a value at a path such as `sandbox.ttl`.
fn test(path: &str, value: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "shop" },
        "spec": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
        },
    });
    let change = path.rsplit('.').fold(value, |inner, key| json!({ key: inner }));
    merge(&mut manifest["spec"], change);
    manifest
}

fn errors(manifest: &Value) -> Vec<FieldError> {
    parse(manifest).err().map(|invalid| invalid.0).unwrap_or_default()
}

/// The operator finds one error in a manifest, at a path, with some words.
pub fn refused(manifest: &Value, path: &str, said: &str) {
    let errors = errors(manifest);
    let [error] = errors.as_slice() else {
        panic!("{}: {errors:?}", manifest["spec"])
    };
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(said), "{error}");
}

/// The API server refuses it already.
pub fn refused_at_once(manifest: &Value, path: &str, said: &str) {
    refused(manifest, path, said);
    assert_ne!(
        refusals(manifest),
        [] as [String; 0],
        "the API server takes {}",
        manifest["spec"]
    );
}

#[test]
fn sources() {
    for (field, value, said) in [
        ("backupName", json!("Nightly"), "small letters"),
        ("scheduleName", json!("a/b"), "small letters"),
        ("maxAge", json!("1d"), "write 24h"),
        ("maxAge", json!("-1h"), "negative"),
    ] {
        let path = format!("backupSource.{field}");
        refused_at_once(&test(&path, value), &format!("spec.{path}"), said);
    }
    for (field, key, value, said) in [
        ("maxAge", "maxAge", json!("1s"), "between 1m"),
        (
            "labelSelector[-app]",
            "labelSelector",
            json!({ "-app": "x" }),
            "label key",
        ),
        (
            "labelSelector[app]",
            "labelSelector",
            json!({ "app": "a b" }),
            "label value",
        ),
    ] {
        refused(
            &test(&format!("backupSource.{key}"), value),
            &format!("spec.backupSource.{field}"),
            said,
        );
    }
    let both = json!({ "backupName": "a", "scheduleName": "b" });
    refused_at_once(
        &test("backupSource", both),
        "spec.backupSource.backupName",
        "keep one",
    );
}

#[test]
fn namespaces() {
    for (list, place, said) in [
        (json!([]), "", "at least one"),
        (json!([{ "name": "" }]), "[0].name", "empty"),
        (
            json!([{ "name": "a" }, { "name": "B" }]),
            "[1].name",
            "small letters",
        ),
        (json!([{ "name": "a" }, { "name": "a" }]), "[1].name", "twice"),
        (json!([{ "name": "kube-system" }]), "[0].name", "never copied"),
        (json!([{ "name": "velero" }]), "[0].name", "never copied"),
        (
            json!([{ "name": "a", "sandboxName": "A" }]),
            "[0].sandboxName",
            "small letters",
        ),
        (
            json!([{ "name": "a", "sandboxName": "default" }]),
            "[0].sandboxName",
            "another name",
        ),
        (
            json!([{ "name": "a", "sandboxName": "kube-x" }]),
            "[0].sandboxName",
            "another name",
        ),
        (
            json!([{ "name": "a", "sandboxName": "a" }]),
            "[0].sandboxName",
            "never a sandbox",
        ),
        (
            json!([{ "name": "a", "sandboxName": "b" }, { "name": "b" }]),
            "[0].sandboxName",
            "never a sandbox",
        ),
        (
            json!([{ "name": "a", "sandboxName": "x" }, { "name": "b", "sandboxName": "x" }]),
            "[1].sandboxName",
            "two namespaces",
        ),
    ] {
        let manifest = test("backupSource.namespaces", list);
        refused_at_once(&manifest, &format!("spec.backupSource.namespaces{place}"), said);
    }
    let second = json!([{ "provider": "velero", "namespaces": [{ "name": "shop" }] }]);
    refused_at_once(
        &test("additionalSources", second),
        "spec.additionalSources[0].namespaces[0].name",
        "twice",
    );
    let twice = json!([{ "provider": "velero", "backupName": "b", "namespaces": [{ "name": "db" }] }]);
    let mut same = test("additionalSources", twice);
    same["spec"]["backupSource"]["backupName"] = json!("b");
    refused(
        &same,
        "spec.additionalSources[0].backupName",
        "list all its namespaces",
    );
    same["spec"]["backupSource"]["labelSelector"] = json!({ "tier": "web" });
    assert_eq!(errors(&same), [], "another part of the same backup");
    let many: Vec<Value> = (0..33).map(|i| json!({ "name": format!("n{i}") })).collect();
    refused_at_once(
        &test("backupSource.namespaces", json!(many)),
        "spec.backupSource.namespaces",
        "32 is the most",
    );
}

#[test]
fn settings_that_the_schema_knows() {
    for (field, value, said) in [
        ("schedule.cron", json!("0 0 3 * * *"), "write 0 3 * * *"),
        ("schedule.cron", json!(""), "five fields"),
        ("schedule.cron", json!("@reboot"), "not known"),
        ("schedule.timezone", json!("UTC+1!"), "IANA"),
        ("sandbox.ttl", json!("30"), "30m"),
        ("sandbox.namespacePrefix", json!("RP"), "small letters"),
        ("sandbox.namespacePrefix", json!("a".repeat(54)), "longer than 53"),
        ("sandbox.resourceQuota.cpu", json!("two"), "500m"),
        ("sandbox.resourceQuota.memory", json!("4 Gi"), "4Gi"),
        ("sandbox.resourceQuota.storage", json!("-1Gi"), "4Gi"),
        ("sandbox.resourceQuota.pods", json!(0), "1 or more"),
        ("healthChecks.policyRef", json!("My Policy"), "small letters"),
        ("healthChecks.timeout", json!("long"), "90s"),
        ("healthChecks.settle", json!("5"), "5s"),
        ("sla.maxRTO", json!("0s"), "zero"),
        ("sla.maxRTO", json!(""), "write for example"),
        ("timeout", json!("2 hours"), "unit"),
        ("historyLimit", json!(0), "1 or more"),
        ("logCollection.maxLines", json!(5), "between 10 and 1000"),
    ] {
        refused_at_once(&test(field, value), &format!("spec.{field}"), said);
    }
    let mut manifest = test("timeout", json!("1h"));
    manifest["spec"]["sandbox"] = json!({ "ttl": "30m" });
    refused_at_once(&manifest, "spec.sandbox.ttl", "at least 1h");
    let target = json!([{ "type": "slack", "webhookSecretRef": "A B" }]);
    let path = "spec.notifications.onFailure[0].webhookSecretRef";
    refused_at_once(&test("notifications.onFailure", target), path, "small letters");
    let target = json!([{ "type": "slack", "webhookSecretRef": "https://hooks.example.com/s3cret" }]);
    let address = test("notifications.onFailure", target);
    refused_at_once(&address, path, "into a Secret");
    let text = parse(&address).unwrap_err().to_string();
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn settings_that_only_parsing_knows() {
    for (field, value, said) in [
        ("schedule.cron", json!("61 3 * * *"), "minute 61"),
        ("schedule.cron", json!("0 0 30 2 *"), "never comes"),
        ("schedule.timezone", json!("Europe/Springfield"), "IANA"),
        ("sandbox.resourceQuota.memory", json!("512m"), "'M'"),
        ("sandbox.resourceQuota.cpu", json!("0"), "zero"),
        ("sandbox.namespacePrefix", json!("kube-test"), "reserved"),
        ("sandbox.ttl", json!("999h"), "between 1s and 720h"),
        ("timeout", json!("1ms"), "between 1s"),
    ] {
        refused(&test(field, value), &format!("spec.{field}"), said);
    }
    let elsewhere = json!([{
        "name": "x", "type": "tcpSocket", "namespace": "db", "tcpSocket": { "service": "db", "port": 1 },
    }]);
    let path = "spec.healthChecks.checks[0].namespace";
    refused(&test("healthChecks.checks", elsewhere), path, "write one of shop");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut manifest = test("schedule", json!({ "cron": "x", "timezone": "y" }));
    merge(
        &mut manifest["spec"],
        json!({
            "backupSource": { "maxAge": "x", "namespaces": [{ "name": "A" }, { "name": "kube-public" }] },
            "timeout": "x", "historyLimit": -1, "sla": { "maxRTO": "x" },
        }),
    );
    let paths: Vec<String> = errors(&manifest).into_iter().map(|e| e.path).collect();
    assert_eq!(
        paths,
        [
            "spec.backupSource.maxAge",
            "spec.backupSource.namespaces[0].name",
            "spec.backupSource.namespaces[1].name",
            "spec.schedule.timezone",
            "spec.schedule.cron",
            "spec.timeout",
            "spec.historyLimit",
            "spec.sla.maxRTO",
        ]
    );
    let text = parse(&manifest).unwrap_err().to_string();
    let start =
        "spec.backupSource.maxAge: \"x\": is not a duration; write for example 90s, 30m or 1h30m; spec.";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn values_and_fields_that_do_not_exist() {
    for (field, value) in [
        ("backupSource.provider", json!("kasten")),
        ("backupSource.completeness", json!("source")),
        ("sandbox.networkIsolation", json!("open")),
        ("sandbox.retention", json!("UntilTtl")),
        ("notifications.onFailure", json!([{ "type": "pagerduty" }])),
        ("healthChecks.checks", json!([{ "name": "x", "type": "grpc" }])),
        ("sandbox.ttll", json!("1h")),
        ("sla", json!({})),
        ("schedule", json!(null)),
    ] {
        assert_ne!(refusals(&test(field, value)), [] as [String; 0], "{field}");
    }
}
