//! Objects that cannot be read as they are.

use serde_json::{Value, json};

use super::{Cluster, Kind, judge, paths, policy, refused, taken, tcp, test, validate};

#[test]
fn a_field_that_does_not_exist_comes_with_what_was_meant() {
    let cluster = Cluster::default();
    for (path, said) in [
        ("spec.sandbox.ttll", "did you mean ttl?"),
        ("spec.sandbox.TTL", "did you mean ttl?"),
        ("spec.schedule.timeZone", "did you mean timezone?"),
        ("spec.sla.maxRto", "did you mean maxRTO?"),
        ("spec.suspended", "did you mean suspend?"),
        ("spec.healthCheck", "did you mean healthChecks?"),
        // Somewhere else.
        ("spec.ttl", "it belongs at spec.sandbox.ttl"),
        ("spec.cron", "it belongs at spec.schedule.cron"),
        ("spec.namespaces", "it belongs at spec.backupSource.namespaces"),
        (
            "spec.sandbox.pods",
            "it belongs at spec.sandbox.resourceQuota.pods",
        ),
        // Nowhere.
        ("spec.schedule.second", "the fields are cron, timezone"),
        ("metadata.label", "did you mean labels?"),
        ("metadata.spec", "it belongs at spec"),
        ("specs", "did you mean spec?"),
    ] {
        let mut manifest = test(&[]);
        super::put(&mut manifest, path, json!("s3cret"));
        let name = path.rsplit('.').next().unwrap();
        refused(&manifest, &cluster, path, name, said);
        let text = format!("{:?}", judge(&manifest, &cluster));
        assert!(!text.contains("s3cret"), "its value is nobody's business: {text}");
    }
    let mut check = tcp("x");
    check["timeout"] = json!("5s");
    check["tcpSocket"]["host"] = json!("web");
    let errors = judge(&policy(&json!([check])), &cluster).errors;
    assert_eq!(
        paths(&errors),
        ["spec.checks[0].tcpSocket.host", "spec.checks[0].timeout"]
    );
    assert!(
        errors[1].message.contains("spec.checks[].exec.timeout"),
        "{}",
        errors[1]
    );
}

#[test]
fn types_are_told_apart() {
    let cluster = Cluster::default();
    for (path, bad, shown, said, good) in [
        (
            "timeout",
            json!(30),
            "30",
            "must be text; write it in quotes",
            json!("30m"),
        ),
        ("suspend", json!("yes"), "yes", "true or false", json!(true)),
        ("historyLimit", json!("10"), "10", "without quotes", json!(10)),
        ("historyLimit", json!(1.5), "1.5", "whole number", json!(10.0)),
        (
            "schedule",
            json!("0 3 * * *"),
            "0 3 * * *",
            "cron, timezone",
            json!({ "cron": "0 3 * * *" }),
        ),
        (
            "sandbox",
            json!([]),
            "[...]",
            "fields of its own: namespacePrefix",
            json!({}),
        ),
        (
            "backupSource.labelSelector",
            json!("app=web"),
            "app=web",
            "app: web",
            json!({ "app": "web" }),
        ),
        (
            "healthChecks.checks",
            json!(tcp("x")),
            "{...}",
            "'- '",
            json!([tcp("x")]),
        ),
        ("additionalSources", json!(1), "1", "must be a list", json!([])),
        (
            "notifications",
            json!("slack"),
            "slack",
            "onFailure, onSuccess",
            json!({}),
        ),
    ] {
        refused(
            &test(&[(path, bad)]),
            &cluster,
            &format!("spec.{path}"),
            shown,
            said,
        );
        taken(&test(&[(path, good)]), &cluster);
    }
    let labels =
        json!({ "name": "shop", "labels": { "a": true }, "annotations": { "kymaros.io/trigger-now": true } });
    let mut manifest = test(&[]);
    manifest["metadata"] = labels;
    let errors = judge(&manifest, &cluster).errors;
    assert_eq!(
        paths(&errors),
        [
            "metadata.annotations[kymaros.io/trigger-now]",
            "metadata.labels[a]"
        ]
    );
    assert!(errors[0].message.contains("in quotes"), "{}", errors[0]);
}

#[test]
fn what_is_missing_is_named_with_what_it_is() {
    let cluster = Cluster::default();
    for (path, said) in [
        ("spec.schedule", "write it: When to run"),
        ("spec.schedule.cron", "Five fields"),
        ("spec.backupSource.provider", "write velero"),
        ("spec.backupSource.namespaces", "The namespaces to restore"),
        ("spec.backupSource", "The backup to restore"),
        ("spec", "is missing"),
        ("metadata", "is missing"),
    ] {
        // A null is as good as nothing.
        for null in [false, true] {
            let mut manifest = test(&[]);
            let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
            let parent = manifest.pointer_mut(&format!("/{}", parent.replace('.', "/")).replace("//", "/"));
            let parent = match parent {
                Some(parent) => parent,
                None => &mut manifest,
            };
            if null {
                parent[name] = Value::Null;
            } else {
                parent.as_object_mut().unwrap().remove(name);
            }
            refused(&manifest, &cluster, path, "", said);
        }
    }
    let nameless =
        json!({ "apiVersion": "a", "kind": "RestoreTest", "metadata": {}, "spec": test(&[])["spec"] });
    refused(&nameless, &cluster, "metadata.name", "", "write a name");
}

#[test]
fn a_null_is_nothing_where_nothing_is_fine() {
    for path in [
        "suspend",
        "additionalSources",
        "sandbox",
        "timeout",
        "backupSource.labelSelector",
        "historyLimit",
    ] {
        taken(&test(&[(path, Value::Null)]), &Cluster::default());
    }
    taken(
        &test(&[("backupSource.labelSelector", json!({ "a": null }))]),
        &Cluster::default(),
    );
}

#[test]
fn whatever_is_sent_is_answered() {
    for object in [
        json!(null),
        json!([]),
        json!("x"),
        json!(1),
        json!({}),
        json!({ "spec": [] }),
    ] {
        for kind in [Kind::RestoreTest, Kind::HealthCheckPolicy] {
            let verdict = validate(kind, &object, None, &Cluster::default());
            assert_ne!(verdict.errors, [], "{object}");
        }
    }
}

#[test]
fn sizes_that_only_the_schema_knows() {
    let cluster = Cluster::default();
    let many: Vec<Value> = (0..65).map(|i| tcp(&format!("c{i}"))).collect();
    refused(
        &policy(&json!(many)),
        &cluster,
        "spec.checks",
        "[...]",
        "has 65 items; 64 is the most",
    );
    taken(&policy(&json!(many[..64])), &cluster);
    let long = policy(&json!([tcp(&"x".repeat(254))]));
    let errors = judge(&long, &cluster).errors;
    assert!(errors[0].message.contains("253 is the most"), "{}", errors[0]);
    refused(
        &test(&[("timeout", json!(" 1h "))]),
        &cluster,
        "spec.timeout",
        " 1h ",
        "must have the form",
    );
}
