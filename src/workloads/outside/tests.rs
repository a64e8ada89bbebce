//! Who may need what no sandbox reaches.

use super::*;
use crate::workloads::config_maps::keep_names;
use serde_json::{Value, from_value, json};

fn deployment(name: &str, mut spec: Value) -> k8s_openapi::api::apps::v1::Deployment {
    if spec.get("containers").is_none() {
        spec = json!({ "containers": [spec] });
    }
    from_value(json!({ "metadata": { "name": name },
        "spec": { "selector": {}, "template": { "spec": spec } } }))
    .unwrap()
}

fn found(objects: &SandboxObjects) -> Vec<String> {
    find(objects).iter().map(ToString::to_string).collect()
}

#[test]
fn only_what_the_workload_itself_is_given_counts() {
    let mut settings: ConfigMap = from_value(json!({ "metadata": { "name": "settings" },
        "data": { "API_URL": "https://user:hunter2@api.example.com/v1", "MAIL_HOST": "mail.example.com" } }))
    .unwrap();
    keep_names(&mut settings);
    assert!(!format!("{settings:?}").contains("hunter2"));
    let objects = SandboxObjects {
        deployments: vec![
            deployment(
                "env",
                json!({ "name": "c", "env": [{ "name": "DB_HOST", "value": "db.example.com" }] }),
            ),
            deployment(
                "args",
                json!({ "name": "c", "args": ["--db-host", "db.example.com", "--port=1"] }),
            ),
            deployment(
                "option",
                json!({ "name": "c", "command": ["run", "--db-host=db.example.com"] }),
            ),
            deployment(
                "map",
                json!({ "name": "c", "envFrom": [{ "configMapRef": { "name": "settings" } }] }),
            ),
            deployment(
                "key",
                json!({ "name": "c", "env": [{ "name": "A", "valueFrom": {
                "configMapKeyRef": { "name": "settings", "key": "MAIL_HOST" } } }] }),
            ),
            deployment(
                "file",
                json!({ "name": "c", "args": ["--config", "settings.yaml"] }),
            ),
        ],
        config_maps: vec![settings],
        ..Default::default()
    };
    let of = |from: &str, host: &str| {
        format!("Deployment/{from} names {host}.example.com, which a sandbox does not reach")
    };
    assert_eq!(
        found(&objects),
        [
            of("args", "db"),
            of("env", "db"),
            of("key", "mail"),
            of("map", "api"),
            of("map", "mail"),
            of("option", "db"),
        ]
    );
}

#[test]
fn an_address_in_a_secret_counts_by_the_name_of_its_variable_and_a_whole_environment_by_itself() {
    let from_secret = |variable: &str| {
        json!({ "name": "c", "env": [{ "name": variable, "valueFrom": {
            "secretKeyRef": { "name": "db", "key": "x" } } }] })
    };
    let objects = SandboxObjects {
        deployments: vec![
            deployment("password", from_secret("DB_PASSWORD")),
            deployment("url", from_secret("DATABASE_URL")),
            deployment(
                "optional",
                json!({ "name": "c", "envFrom": [{ "secretRef": { "name": "all", "optional": true } }] }),
            ),
            deployment(
                "whole",
                json!({ "name": "c", "envFrom": [{ "secretRef": { "name": "all" } }] }),
            ),
        ],
        ..Default::default()
    };
    assert_eq!(
        found(&objects),
        [
            "Deployment/url takes DATABASE_URL from Secret/db, which is not read, and a sandbox reaches nothing outside",
            "Deployment/whole takes its environment from Secret/all, which is not read, and a sandbox reaches nothing outside",
        ]
    );
}

#[test]
fn a_service_may_be_another_name_of_a_host_outside() {
    let service = |name: &str, of: &str| {
        from_value(
            json!({ "metadata": { "name": name }, "spec": { "type": "ExternalName", "externalName": of } }),
        )
        .unwrap()
    };
    let objects = SandboxObjects {
        deployments: vec![
            deployment("asks", json!({ "name": "c", "args": ["http://db:80/x"] })),
            deployment("other", json!({ "name": "c", "args": ["http://db-copy:80/x"] })),
            deployment(
                "told",
                json!({ "name": "c", "envFrom": [{ "configMapRef": { "name": "settings" } }] }),
            ),
        ],
        services: vec![
            service("db", "db.example.com"),
            service("cache", "cache.fast.svc.cluster.local"),
        ],
        ..Default::default()
    };
    let of = |workload: &str| {
        format!(
            "Deployment/{workload} may ask for Service/db, another name of db.example.com, which a sandbox does not reach"
        )
    };
    assert_eq!(found(&objects), [of("asks"), of("told")]);
}

#[test]
fn an_account_with_an_identity_at_a_cloud_may_need_that() {
    let with = |annotations: Value| {
        let account = json!({ "metadata": { "name": "default", "annotations": annotations } });
        SandboxObjects {
            deployments: vec![deployment(
                "web",
                json!({ "containers": [{ "name": "c" }], "automountServiceAccountToken": false }),
            )],
            service_accounts: vec![from_value(account).unwrap()],
            ..Default::default()
        }
    };
    let lent = with(json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/web" }));
    assert_eq!(
        found(&lent),
        [
            "Deployment/web has an identity at a cloud by ServiceAccount/default, and a sandbox does not reach it"
        ]
    );
    for none in [
        json!({ "example.com/team": "web" }),
        json!({ "eks.amazonaws.com/role-arn": "" }),
    ] {
        assert!(found(&with(none.clone())).is_empty(), "{none}");
    }
}

#[test]
fn an_account_with_rights_may_need_the_api_server() {
    let binding = |subject: Value| {
        from_value(json!({ "metadata": { "name": "reader", "namespace": "sb" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
            "subjects": [subject] }))
        .unwrap()
    };
    let role = |verbs: Value| -> Role {
        let rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        from_value(json!({ "metadata": { "name": "reader" }, "rules": [rule] })).unwrap()
    };
    let of = |account: &str, mount: Option<bool>| {
        json!({ "containers": [{ "name": "c" }], "serviceAccountName": account,
            "automountServiceAccountToken": mount })
    };
    let mut objects = SandboxObjects {
        deployments: vec![
            deployment("default", json!({ "name": "c" })),
            deployment("plain", of("plain", None)),
            deployment("robot", of("robot", None)),
            deployment("without", of("robot", Some(false))),
        ],
        role_bindings: vec![binding(
            json!({ "kind": "ServiceAccount", "name": "robot", "namespace": "sb" }),
        )],
        roles: vec![role(json!(["get"]))],
        ..Default::default()
    };
    let has_rights = "Deployment/robot has rights at the API server by RoleBinding/reader, and a sandbox does not reach it";
    let may_have = |name: &str| {
        format!(
            "Deployment/{name} runs as ServiceAccount/{name}, which may have rights in the whole cluster that a sandbox does not give"
        )
    };
    assert_eq!(found(&objects), [may_have("plain"), has_rights.to_owned()]);
    objects.service_accounts = vec![
        from_value(json!({ "metadata": { "name": "robot" }, "automountServiceAccountToken": false }))
            .unwrap(),
    ];
    assert_eq!(found(&objects), [may_have("plain")], "it has no token");
    objects.service_accounts.clear();
    for verbs in [json!([]), json!(["use"])] {
        objects.roles = vec![role(verbs)];
        assert_eq!(
            found(&objects),
            [may_have("plain"), may_have("robot")],
            "there is nothing to ask for"
        );
    }
    objects.roles = vec![role(json!(["get"]))];
    for other in [
        json!({ "kind": "ServiceAccount", "name": "robot", "namespace": "elsewhere" }),
        json!({ "kind": "User", "name": "robot" }),
    ] {
        objects.role_bindings = vec![binding(other)];
        assert_eq!(found(&objects), [may_have("plain"), may_have("robot")]);
    }
}
