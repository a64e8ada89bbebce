//! Checks that are refused, where, and with which words.

use serde_json::{Value, json};

use super::refused::{refused, refused_at_once};

fn policy(check: &Value) -> Value {
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy", "metadata": { "name": "shop" },
        "spec": { "checks": [check] },
    })
}

/// A good check of a type, with a value at one of its fields.
fn check(type_: &str, field: &str, value: Value) -> Value {
    let mut settings = match type_ {
        "podStatus" => json!({ "labelSelector": {}, "minReady": 1 }),
        "httpGet" => json!({ "service": "web", "port": 80, "path": "/", "expectedStatus": 200 }),
        "tcpSocket" => json!({ "service": "web", "port": 80 }),
        "exec" => json!({ "podSelector": { "app": "db" }, "command": ["true"] }),
        _ => json!({ "resources": [{ "kind": "Secret", "name": "x" }] }),
    };
    settings[field] = value;
    policy(&json!({ "name": "x", "type": type_, type_: settings }))
}

#[test]
fn checks_that_the_schema_knows() {
    for (type_, field, value, said) in [
        ("podStatus", "minReady", json!(-1), "negative"),
        ("podStatus", "timeout", json!("1d"), "write 24h"),
        ("httpGet", "service", json!("web.shop"), "small letters"),
        ("httpGet", "port", json!(0), "1 to 65535"),
        ("httpGet", "expectedStatus", json!(0), "for example 200"),
        ("httpGet", "retries", json!(101), "1 to 100"),
        ("httpGet", "timeout", json!("10"), "10s"),
        ("tcpSocket", "port", json!(70000), "1 to 65535"),
        ("tcpSocket", "service", json!(""), "empty"),
        ("exec", "command", json!([]), "no program"),
        ("exec", "successExitCode", json!(256), "0 and 255"),
        ("exec", "container", json!("A"), "small letters"),
        ("resourceExists", "resources", json!([]), "at least one"),
    ] {
        refused_at_once(
            &check(type_, field, value),
            &format!("spec.checks[0].{type_}.{field}"),
            said,
        );
    }
    for (kind, name, field, said) in [
        ("secret", "x", "kind", "for example Secret"),
        ("Secret", "", "name", "not the name"),
    ] {
        let manifest = check(
            "resourceExists",
            "resources",
            json!([{ "kind": kind, "name": name }]),
        );
        refused_at_once(
            &manifest,
            &format!("spec.checks[0].resourceExists.resources[0].{field}"),
            said,
        );
    }
    refused_at_once(
        &policy(&json!({ "name": "x", "type": "httpGet" })),
        "spec.checks[0].httpGet",
        "missing",
    );
    let nameless = json!({ "name": "", "type": "tcpSocket", "tcpSocket": { "service": "a", "port": 1 } });
    refused_at_once(&policy(&nameless), "spec.checks[0].name", "empty");
}

#[test]
fn checks_that_only_parsing_knows() {
    for (type_, field, value, said) in [
        ("httpGet", "path", json!("/a b"), "%XX"),
        ("httpGet", "path", json!("/a#b"), "%XX"),
        ("httpGet", "timeout", json!("1ms"), "between 100ms and 24h"),
        ("exec", "command", json!([" "]), "no program"),
        ("exec", "stdoutMatches", json!("("), "unclosed group"),
        ("exec", "stdoutMatches", json!("\\w{1000}{1000}"), "too large"),
    ] {
        refused(
            &check(type_, field, value),
            &format!("spec.checks[0].{type_}.{field}"),
            said,
        );
    }
    let selector = check("exec", "podSelector", json!({ "a b": "" }));
    refused(&selector, "spec.checks[0].exec.podSelector[a b]", "label key");
    let outside = check(
        "resourceExists",
        "resources",
        json!([{ "kind": "Secret", "name": "../x" }]),
    );
    refused(
        &outside,
        "spec.checks[0].resourceExists.resources[0].name",
        "not the name",
    );
}

#[test]
fn settings_of_another_type_and_double_names() {
    let tcp = json!({ "service": "a", "port": 1 });
    let both = json!({ "name": "x", "type": "tcpSocket", "tcpSocket": tcp, "podStatus": { "minReady": 1 } });
    refused_at_once(&policy(&both), "spec.checks[0].podStatus", "remove it");
    let mut twice = policy(&json!({ "name": "x", "type": "tcpSocket", "tcpSocket": tcp }));
    let check = twice["spec"]["checks"][0].clone();
    twice["spec"]["checks"].as_array_mut().unwrap().push(check);
    refused_at_once(&twice, "spec.checks[1].name", "two checks");
}
