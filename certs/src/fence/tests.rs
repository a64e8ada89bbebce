//! A fence as a chart writes it, and every way in which it can be wrong.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, ValidatingWebhook};
use serde_json::{Value, json};

use super::*;

/// As the API server gives it back.
fn chart() -> Value {
    json!({
        "name": "neutralise.kymaros.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 5,
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "clientConfig": { "caBundle": "", "service": {
            "name": "kymaros-webhooks", "namespace": "kymaros-system", "port": 443, "path": "/neutralise" } },
        "namespaceSelector": {
            "matchLabels": { "kymaros.io/managed-by": "kymaros" },
            "matchExpressions": [{ "key": "kymaros.io/run-uid", "operator": "Exists" }],
        },
        "objectSelector": {},
        "rules": [
            { "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["CREATE"],
              "scope": "Namespaced" },
            { "apiGroups": ["batch"], "apiVersions": ["*"], "resources": ["cronjobs", "jobs"],
              "operations": ["UPDATE"], "scope": "Namespaced" },
        ],
        "matchConditions": [{ "name": "stays", "expression": "!has(object.metadata) || \n  !has(object.metadata.x)" }],
    })
}

fn meant() -> Registration {
    Registration {
        fails_closed: true,
        is_asked_again: true,
        calls: Registration::call("kymaros-webhooks", "kymaros-system", None, "/neutralise"),
        rules: vec![
            Rule::new(&["*"], &["*"], &["CREATE"], "Namespaced"),
            Rule::new(&["batch"], &["cronjobs", "jobs"], &["UPDATE"], "Namespaced"),
        ],
        namespaces: [
            Requirement::is("kymaros.io/managed-by", "kymaros"),
            Requirement::exists("kymaros.io/run-uid"),
        ]
        .into(),
        conditions: vec![Condition::new(
            "stays",
            "!has(object.metadata) || !has(object.metadata.x)",
        )],
        ..Registration::default()
    }
}

/// What is wrong when this is put in the place of what the chart has; without a value, the field goes.
fn changed(pointer: &str, value: Option<Value>) -> Option<String> {
    let mut webhook = chart();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = webhook.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Array(list), Some(value)) => list[field.parse::<usize>().unwrap()] = value,
        (Value::Array(list), None) => drop(list.remove(field.parse().unwrap())),
        (parent, Some(value)) => parent[field] = value,
        (parent, None) => drop(parent.as_object_mut().unwrap().remove(field).unwrap()),
    }
    let webhook: MutatingWebhook = serde_json::from_value(webhook).unwrap();
    flaw(&meant(), &Registration::from(&webhook)).map(|flaw| flaw.to_string())
}

#[test]
fn what_the_chart_has_is_right_however_it_is_written() {
    let expressions = "/namespaceSelector/matchExpressions";
    let with = |more: Value| {
        let run = json!({ "key": "kymaros.io/run-uid", "operator": "Exists" });
        Some(json!([more, run]))
    };
    for (pointer, value) in [
        ("/timeoutSeconds", Some(json!(10))),
        ("/matchPolicy", None),
        // Defaults, and what the operator or cert-manager writes.
        ("/failurePolicy", None),
        ("/objectSelector", None),
        ("/clientConfig/service/port", None),
        ("/clientConfig/caBundle", Some(json!("bWluZQ=="))),
        ("/clientConfig/caBundle", None),
        // More than was meant.
        ("/namespaceSelector", None),
        ("/matchConditions", None),
        ("/rules/0/scope", None),
        ("/rules/0/operations", Some(json!(["*"]))),
        ("/rules/0/resources", Some(json!(["*/*"]))),
        ("/rules/1/operations", Some(json!(["DELETE", "UPDATE"]))),
        (
            "/rules/1/resources",
            Some(json!(["jobs", "jobs/status", "cronjobs"])),
        ),
        // A provider keeps its own namespaces out.
        (
            expressions,
            with(json!({ "key": "control-plane", "operator": "NotIn", "values": ["true"] })),
        ),
        (
            expressions,
            with(json!({ "key": "control-plane", "operator": "DoesNotExist" })),
        ),
        (
            expressions,
            with(json!({ "key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"] })),
        ),
        (
            expressions,
            with(
                json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"] }),
            ),
        ),
        // The same in another way.
        (
            "/namespaceSelector",
            Some(json!({ "matchExpressions": [
                { "key": "kymaros.io/run-uid", "operator": "Exists", "values": [] },
                { "key": "kymaros.io/managed-by", "operator": "In", "values": ["kymaros"] } ] })),
        ),
    ] {
        assert_eq!(changed(pointer, value.clone()), None, "{pointer}: {value:?}");
    }
}

#[test]
fn every_way_to_be_wrong_is_named() {
    let namespaces = "/namespaceSelector/matchExpressions/0";
    for (pointer, value, wrong) in [
        (
            "/failurePolicy",
            Some(json!("Ignore")),
            "its failurePolicy is Ignore, not Fail",
        ),
        (
            "/reinvocationPolicy",
            None,
            "its reinvocationPolicy is Never, not IfNeeded",
        ),
        (
            "/clientConfig/service/name",
            Some(json!("other")),
            "it calls other.kymaros-system.svc:443/neutralise",
        ),
        (
            "/clientConfig/service/path",
            None,
            "it calls kymaros-webhooks.kymaros-system.svc:443/",
        ),
        (
            "/clientConfig",
            Some(json!({ "url": "https://example.com/" })),
            "it calls https://example.com/",
        ),
        ("/rules", None, "its rules leave out CREATE of *.*"),
        ("/rules/0", None, "its rules leave out CREATE of *.*"),
        ("/rules/1", None, "its rules leave out UPDATE of cronjobs.batch"),
        (
            "/rules/0/operations/0",
            Some(json!("DELETE")),
            "its rules leave out CREATE of *.*",
        ),
        (
            "/rules/0/resources",
            Some(json!(["pods", "services"])),
            "its rules leave out CREATE of *.*",
        ),
        (
            "/rules/0/apiGroups",
            Some(json!(["", "apps"])),
            "its rules leave out CREATE of *.*",
        ),
        (
            "/rules/0/apiVersions",
            Some(json!(["v1"])),
            "its rules leave out CREATE of *.*",
        ),
        (
            "/rules/0/scope",
            Some(json!("Cluster")),
            "its rules leave out CREATE of *.*",
        ),
        (
            "/rules/1/resources/1",
            Some(json!("jobs/status")),
            "its rules leave out UPDATE of jobs.batch",
        ),
        (
            "/namespaceSelector/matchLabels",
            Some(json!({ "kymaros.io/managed-by": "somebody" })),
            "its namespaceSelector asks for kymaros.io/managed-by In (somebody)",
        ),
        (
            namespaces,
            Some(json!({ "key": "kymaros.io/run-uid", "operator": "DoesNotExist" })),
            "its namespaceSelector asks for kymaros.io/run-uid DoesNotExist",
        ),
        (
            namespaces,
            Some(json!({ "key": "env", "operator": "NotIn", "values": ["test", "qa"] })),
            "its namespaceSelector asks for env NotIn (qa, test)",
        ),
        (
            namespaces,
            Some(
                json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "sb"] }),
            ),
            "its namespaceSelector asks for kubernetes.io/metadata.name NotIn (kube-system, sb)",
        ),
        (
            "/objectSelector",
            Some(json!({ "matchLabels": { "app": "web" } })),
            "its objectSelector asks for app In (web)",
        ),
        (
            "/matchConditions/0/expression",
            Some(json!("false")),
            r#"its matchConditions have "stays", which is not one of those it was meant to have"#,
        ),
    ] {
        assert_eq!(changed(pointer, value).as_deref(), Some(wrong), "{pointer}");
    }
}

#[test]
fn one_that_may_be_ignored_may_be_strict_too() {
    let webhook = |policy: &str| {
        let mut webhook = chart();
        webhook["failurePolicy"] = json!(policy);
        webhook.as_object_mut().unwrap().remove("reinvocationPolicy");
        Registration::from(&serde_json::from_value::<ValidatingWebhook>(webhook).unwrap())
    };
    let lenient = Registration {
        fails_closed: false,
        is_asked_again: false,
        ..meant()
    };
    assert_eq!(flaw(&lenient, &webhook("Ignore")), None);
    assert_eq!(flaw(&lenient, &webhook("Fail")), None);
    let strict = Registration {
        fails_closed: true,
        ..lenient
    };
    assert_eq!(flaw(&strict, &webhook("Ignore")), Some(Flaw::Ignored));
}
