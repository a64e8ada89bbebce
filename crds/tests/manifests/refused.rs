//! What is refused, where, and with which words. Whatever the operator would take, the API server takes too.

use kymaros_crds::domain::FieldError;
use serde_json::{Value, json};

use super::{
    admission::{parse, refusals},
    compatibility::merge,
};

fn test(changes: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "shop" },
        "spec": {
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
        },
    });
    merge(&mut manifest["spec"], changes);
    manifest
}

fn policy(check: Value) -> Value {
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy", "metadata": { "name": "shop" },
        "spec": { "checks": [check] },
    })
}

fn errors(manifest: &Value) -> Vec<FieldError> {
    parse(manifest).err().map(|invalid| invalid.0).unwrap_or_default()
}

/// The one error of a manifest, at a path, with some words.
fn refused(manifest: &Value, path: &str, said: &str) {
    let errors = errors(manifest);
    let [error] = errors.as_slice() else {
        panic!("{}: {errors:?}", manifest["spec"])
    };
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(said), "{error}");
}

/// Refused by the operator when it parses, and by the API server before that.
#[test]
fn refused_at_once() {
    let namespace = |n: Value| json!({ "backupSource": { "namespaces": n } });
    let source = "spec.backupSource";
    for (changes, path, said) in [
        (
            json!({ "backupSource": { "backupName": "Nightly" } }),
            "spec.backupSource.backupName",
            "small letters",
        ),
        (
            json!({ "backupSource": { "scheduleName": "a/b" } }),
            "spec.backupSource.scheduleName",
            "small letters",
        ),
        (
            json!({ "backupSource": { "backupName": "a", "scheduleName": "b" } }),
            "spec.backupSource.backupName",
            "keep one",
        ),
        (
            json!({ "backupSource": { "maxAge": "1d" } }),
            "spec.backupSource.maxAge",
            "write 24h",
        ),
        (
            json!({ "backupSource": { "maxAge": "-1h" } }),
            "spec.backupSource.maxAge",
            "negative",
        ),
        (
            namespace(json!([])),
            &format!("{source}.namespaces"),
            "at least one",
        ),
        (
            namespace(json!([{ "name": "" }])),
            &format!("{source}.namespaces[0].name"),
            "empty",
        ),
        (
            namespace(json!([{ "name": "a" }, { "name": "B" }])),
            &format!("{source}.namespaces[1].name"),
            "small letters",
        ),
        (
            namespace(json!([{ "name": "a" }, { "name": "a" }])),
            &format!("{source}.namespaces"),
            "twice",
        ),
        (
            namespace(json!([{ "name": "kube-system" }])),
            &format!("{source}.namespaces[0].name"),
            "never copied",
        ),
        (
            namespace(json!([{ "name": "velero" }])),
            &format!("{source}.namespaces[0].name"),
            "never copied",
        ),
        (
            namespace(json!([{ "name": "a", "sandboxName": "default" }])),
            &format!("{source}.namespaces[0].sandboxName"),
            "another name",
        ),
        (
            namespace(json!([{ "name": "a", "sandboxName": "x" }, { "name": "b", "sandboxName": "x" }])),
            &format!("{source}.namespaces"),
            "two namespaces",
        ),
        (
            namespace(json!([{ "name": "a", "sandboxName": "b" }, { "name": "b" }])),
            &format!("{source}.namespaces"),
            "never a sandbox",
        ),
        (
            json!({ "additionalSources": [{ "provider": "velero", "namespaces": [{ "name": "shop" }] }] }),
            "spec.additionalSources[0].namespaces",
            "twice",
        ),
        (
            json!({ "schedule": { "cron": "0 0 3 * * *" } }),
            "spec.schedule.cron",
            "write 0 3 * * *",
        ),
        (
            json!({ "schedule": { "cron": "" } }),
            "spec.schedule.cron",
            "five fields",
        ),
        (
            json!({ "schedule": { "cron": "@reboot" } }),
            "spec.schedule.cron",
            "not known",
        ),
        (
            json!({ "schedule": { "timezone": "UTC+1!" } }),
            "spec.schedule.timezone",
            "IANA",
        ),
        (json!({ "sandbox": { "ttl": "30" } }), "spec.sandbox.ttl", "30m"),
        (
            json!({ "timeout": "1h", "sandbox": { "ttl": "30m" } }),
            "spec.sandbox.ttl",
            "at least 1h",
        ),
        (
            json!({ "sandbox": { "namespacePrefix": "RP" } }),
            "spec.sandbox.namespacePrefix",
            "small letters",
        ),
        (
            json!({ "sandbox": { "namespacePrefix": "a".repeat(54) } }),
            "spec.sandbox.namespacePrefix",
            "longer than 53",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "cpu": "two" } } }),
            "spec.sandbox.resourceQuota.cpu",
            "500m",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "memory": "4 Gi" } } }),
            "spec.sandbox.resourceQuota.memory",
            "4Gi",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "storage": "-1Gi" } } }),
            "spec.sandbox.resourceQuota.storage",
            "4Gi",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "pods": 0 } } }),
            "spec.sandbox.resourceQuota.pods",
            "1 or more",
        ),
        (
            json!({ "healthChecks": { "policyRef": "My Policy" } }),
            "spec.healthChecks.policyRef",
            "small letters",
        ),
        (
            json!({ "healthChecks": { "timeout": "long" } }),
            "spec.healthChecks.timeout",
            "90s",
        ),
        (
            json!({ "healthChecks": { "settle": "5" } }),
            "spec.healthChecks.settle",
            "5s",
        ),
        (json!({ "sla": { "maxRTO": "0s" } }), "spec.sla.maxRTO", "zero"),
        (
            json!({ "sla": { "maxRTO": "" } }),
            "spec.sla.maxRTO",
            "write for example",
        ),
        (json!({ "timeout": "2 hours" }), "spec.timeout", "unit"),
        (json!({ "historyLimit": 0 }), "spec.historyLimit", "1 or more"),
        (
            json!({ "logCollection": { "maxLines": 5 } }),
            "spec.logCollection.maxLines",
            "between 10 and 1000",
        ),
        (
            json!({ "notifications": { "onFailure": [{ "type": "slack", "webhookSecretRef": "A B" }] } }),
            "spec.notifications.onFailure[0].webhookSecretRef",
            "small letters",
        ),
    ] {
        let manifest = test(changes.clone());
        refused(&manifest, path, said);
        assert_ne!(
            refusals(&manifest),
            [] as [String; 0],
            "the API server takes {changes}"
        );
    }
}

/// What a schema cannot say.
#[test]
fn refused_when_it_is_parsed() {
    for (changes, path, said) in [
        (
            json!({ "backupSource": { "labelSelector": { "-app": "x" } } }),
            "spec.backupSource.labelSelector[-app]",
            "label key",
        ),
        (
            json!({ "backupSource": { "labelSelector": { "app": "a b" } } }),
            "spec.backupSource.labelSelector[app]",
            "label value",
        ),
        (
            json!({ "backupSource": { "maxAge": "1s" } }),
            "spec.backupSource.maxAge",
            "between 1m",
        ),
        (
            json!({ "schedule": { "cron": "61 3 * * *" } }),
            "spec.schedule.cron",
            "minute 61",
        ),
        (
            json!({ "schedule": { "cron": "0 0 30 2 *" } }),
            "spec.schedule.cron",
            "never comes",
        ),
        (
            json!({ "schedule": { "timezone": "Europe/Springfield" } }),
            "spec.schedule.timezone",
            "IANA",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "memory": "512m" } } }),
            "spec.sandbox.resourceQuota.memory",
            "'M'",
        ),
        (
            json!({ "sandbox": { "resourceQuota": { "cpu": "0" } } }),
            "spec.sandbox.resourceQuota.cpu",
            "zero",
        ),
        (
            json!({ "sandbox": { "namespacePrefix": "kube-test" } }),
            "spec.sandbox.namespacePrefix",
            "reserved",
        ),
        (
            json!({ "sandbox": { "ttl": "999h" } }),
            "spec.sandbox.ttl",
            "between 1s and 720h",
        ),
        (json!({ "timeout": "1ms" }), "spec.timeout", "between 1s"),
        (
            json!({ "healthChecks": { "checks": [{ "name": "x", "type": "tcpSocket", "namespace": "db",
                "tcpSocket": { "service": "db", "port": 1 } }] } }),
            "spec.healthChecks.checks[0].namespace",
            "write one of shop",
        ),
    ] {
        refused(&test(changes), path, said);
    }
}

#[test]
fn checks_are_refused_with_their_place() {
    let http = |changes: Value| {
        let mut http = json!({ "service": "web", "port": 80, "path": "/", "expectedStatus": 200 });
        merge(&mut http, changes);
        json!({ "name": "x", "type": "httpGet", "httpGet": http })
    };
    let exec = |changes: Value| {
        let mut exec = json!({ "podSelector": { "app": "db" }, "command": ["true"] });
        merge(&mut exec, changes);
        json!({ "name": "x", "type": "exec", "exec": exec })
    };
    let resource = |kind: &str, name: &str| json!({ "name": "x", "type": "resourceExists", "resourceExists": { "resources": [{ "kind": kind, "name": name }] } });
    let pods = |min: i32| json!({ "name": "x", "type": "podStatus", "podStatus": { "labelSelector": {}, "minReady": min } });
    for (check, field, said) in [
        (json!({ "name": "x", "type": "httpGet" }), "httpGet", "missing"),
        (
            json!({ "name": "", "type": "tcpSocket", "tcpSocket": { "service": "a", "port": 1 } }),
            "name",
            "empty",
        ),
        (pods(-1), "podStatus.minReady", "negative"),
        (
            http(json!({ "service": "web.shop" })),
            "httpGet.service",
            "small letters",
        ),
        (http(json!({ "port": 0 })), "httpGet.port", "1 to 65535"),
        (http(json!({ "port": 70000 })), "httpGet.port", "1 to 65535"),
        (
            http(json!({ "expectedStatus": 0 })),
            "httpGet.expectedStatus",
            "for example 200",
        ),
        (http(json!({ "retries": 101 })), "httpGet.retries", "1 to 100"),
        (http(json!({ "timeout": "10" })), "httpGet.timeout", "10s"),
        (exec(json!({ "command": [] })), "exec.command", "no program"),
        (
            exec(json!({ "successExitCode": 256 })),
            "exec.successExitCode",
            "0 and 255",
        ),
        (
            exec(json!({ "container": "A" })),
            "exec.container",
            "small letters",
        ),
        (
            resource("secret", "x"),
            "resourceExists.resources[0].kind",
            "for example Secret",
        ),
        (
            resource("Secret", ""),
            "resourceExists.resources[0].name",
            "not the name",
        ),
    ] {
        let manifest = policy(check);
        refused(&manifest, &format!("spec.checks[0].{field}"), said);
        assert_ne!(
            refusals(&manifest),
            [] as [String; 0],
            "the API server takes {}",
            manifest["spec"]
        );
    }
    for (check, field, said) in [
        (http(json!({ "path": "/a b" })), "httpGet.path", "%XX"),
        (http(json!({ "path": "/a#b" })), "httpGet.path", "%XX"),
        (
            http(json!({ "timeout": "1ms" })),
            "httpGet.timeout",
            "between 100ms and 24h",
        ),
        (exec(json!({ "command": [" "] })), "exec.command", "no program"),
        (
            exec(json!({ "stdoutMatches": "(" })),
            "exec.stdoutMatches",
            "unclosed group",
        ),
        (
            exec(json!({ "stdoutMatches": "\\w{1000}{1000}" })),
            "exec.stdoutMatches",
            "size limit",
        ),
        (
            exec(json!({ "podSelector": { "a b": "" } })),
            "exec.podSelector[a b]",
            "label key",
        ),
        (
            resource("Secret", "../x"),
            "resourceExists.resources[0].name",
            "not the name",
        ),
    ] {
        refused(&policy(check), &format!("spec.checks[0].{field}"), said);
    }
}

#[test]
fn settings_of_another_type_and_double_names_are_refused() {
    let tcp = json!({ "service": "a", "port": 1 });
    let both = json!({ "name": "x", "type": "tcpSocket", "tcpSocket": tcp, "podStatus": { "minReady": 1 } });
    refused(&policy(both.clone()), "spec.checks[0].podStatus", "remove it");
    assert!(refusals(&policy(both)).iter().any(|e| e.contains("podStatus")));
    let mut twice = policy(json!({ "name": "x", "type": "tcpSocket", "tcpSocket": tcp }));
    let check = twice["spec"]["checks"][0].clone();
    twice["spec"]["checks"].as_array_mut().unwrap().push(check);
    refused(&twice, "spec.checks[1].name", "two checks");
    assert!(refusals(&twice).iter().any(|e| e.contains("same name")));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let manifest = test(json!({
        "backupSource": { "maxAge": "x", "namespaces": [{ "name": "A" }, { "name": "kube-public" }] },
        "schedule": { "cron": "x", "timezone": "y" },
        "timeout": "x", "historyLimit": -1, "sla": { "maxRTO": "x" },
    }));
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
    assert!(
        text.starts_with("spec.backupSource.maxAge: \"x\": is not a duration; write for example 90s"),
        "{text}"
    );
}

#[test]
fn the_schema_knows_every_value_of_every_list() {
    for changes in [
        json!({ "backupSource": { "provider": "kasten" } }),
        json!({ "backupSource": { "completeness": "source" } }),
        json!({ "sandbox": { "networkIsolation": "open" } }),
        json!({ "sandbox": { "retention": "UntilTtl" } }),
        json!({ "notifications": { "onFailure": [{ "type": "pagerduty" }] } }),
        json!({ "healthChecks": { "checks": [{ "name": "x", "type": "grpc" }] } }),
        json!({ "sandbox": { "ttll": "1h" } }),
        json!({ "sla": {} }),
        json!({ "schedule": null }),
    ] {
        assert_ne!(refusals(&test(changes.clone())), [] as [String; 0], "{changes}");
    }
}
