//! Every rule with something it refuses and something it takes.

use serde_json::{Value, json};

use super::{Cluster, Nothing, judge, paths, policy, put, refused, taken, tcp, test};

/// Lines of `path below spec | refused | words of the message | taken`, with values as JSON: each is refused at that very
/// path, and with the good value all is well.
fn rows(build: impl Fn(&str, Value) -> (Value, String), table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [path, bad, said, good] = parts[..] else {
            panic!("{line}")
        };
        let value =
            |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{line}: {e}"));
        let (manifest, full) = build(path, value(bad));
        let errors = judge(&manifest, &Cluster::default()).errors;
        let [error] = errors.as_slice() else {
            panic!("{line}: {errors:#?}")
        };
        assert_eq!(error.path, full, "{error}");
        assert!(error.message.contains(said), "{line}: {error}");
        if let Some(text) = value(bad).as_str() {
            assert_eq!(error.value, text, "{line}");
        }
        taken(&build(path, value(good)).0, &Cluster::default());
    }
}

fn of_test(path: &str, value: Value) -> (Value, String) {
    (test(&[(path, value)]), format!("spec.{path}"))
}

#[test]
fn schedules() {
    rows(
        of_test,
        r#"
        schedule.cron     | "0 0 3 * * *"          | write 0 3 * * *       | "0 3 * * *"
        schedule.cron     | "0 0 3 ? * MON-FRI"    | write 0 3 * * MON-FRI | "0 3 * * MON-FRI"
        schedule.cron     | "0 0 3 ? * 2-6 2026"   | write 0 3 * * MON-FRI | "0 3 * * 1-5"
        schedule.cron     | "H 3 * * *"            | write 17 3 * * *      | "17 3 * * *"
        schedule.cron     | "H/15 * * * *"         | write */15 * * * *    | "*/15 * * * *"
        schedule.cron     | "0 3 L * *"            | L is Quartz           | "0 3 28 * *"
        schedule.cron     | "0 3 * * 1#2"          | # is Quartz           | "0 3 * * 1"
        schedule.cron     | "61 3 * * *"           | write 0 to 59         | "59 3 * * *"
        schedule.cron     | "0 3 * *"              | has 4 fields          | "0 3 * * sun"
        schedule.cron     | "0 0 30 2 *"           | never comes           | "0 0 29 2 *"
        schedule.cron     | "0 0 31 4,6 *"         | never comes           | "0 0 31 4,5 *"
        schedule.cron     | "@reboot"              | write @hourly         | "@hourly"
        schedule.cron     | "@every 30s"           | 1m or more            | "@every 1m"
        schedule.timezone | "Berlin"               | its IANA name         | "Europe/Berlin"
        "#,
    );
}

#[test]
fn durations() {
    rows(
        of_test,
        r#"
        timeout                                   | "-1h"   | without the minus      | "1h"
        timeout                                   | "30"    | write 30s, 30m or 30h  | "30s"
        timeout                                   | "1d"    | write 24h              | "24h"
        timeout                                   | "721h"  | between 1s and 720h    | "720h"
        sandbox.ttl                               | "1ms"   | between 1s             | "1s"
        healthChecks.timeout                      | "1e3s"  | unit                   | "0s"
        healthChecks.settle                       | "-5s"   | without the minus      | "0s"
        backupSource.maxAge                       | "30s"   | between 1m             | "26h"
        backupSource.maxAge                       | "soon"  | 90s, 30m               | "1m"
        sla.maxRTO                                | "0s"    | is zero                | "1s"
        sla.maxRTO                                | "-1h"   | without the minus      | "1h"
        healthChecks.checks[0].tcpSocket.timeout  | "25h"   | 100ms and 24h          | "24h"
        "#,
    );
    let both = |ttl: &str| test(&[("timeout", json!("1h")), ("sandbox.ttl", json!(ttl))]);
    refused(
        &both("59m"),
        &Cluster::default(),
        "spec.sandbox.ttl",
        "59m",
        "write at least 1h",
    );
    taken(&both("1h"), &Cluster::default());
}

#[test]
fn namespaces() {
    rows(
        of_test,
        r#"
        backupSource.namespaces                | []                | at least one      | [{ "name": "shop" }]
        backupSource.namespaces[0].name        | ""                | is empty          | "shop-2"
        backupSource.namespaces[0].name        | "Shop"            | small letters     | "shop-2"
        backupSource.namespaces[0].name        | "shop.eu"         | small letters     | "shop-2"
        backupSource.namespaces[0].name        | "kube-system"     | never copied      | "kubernetes"
        backupSource.namespaces[0].name        | "velero"          | never copied      | "velero-ui"
        backupSource.namespaces[0].name        | "kymaros-system"  | Kymaros itself    | "kymaros"
        backupSource.namespaces[0].name        | "backup-system"   | where Velero runs | "backup"
        backupSource.namespaces[0].sandboxName | "a.b"             | small letters     | "a-b"
        backupSource.namespaces[0].sandboxName | "default"         | another name      | ""
        backupSource.namespaces[0].sandboxName | "kube-x"          | another name      | "x"
        backupSource.namespaces[0].sandboxName | "kymaros-system"  | Kymaros itself    | "kymaros"
        backupSource.namespaces[0].sandboxName | "backup-system"   | where Velero runs | "backup"
        backupSource.namespaces[0].sandboxName | "tests"           | this very test    | "test"
        "#,
    );
    let double = |list: Value| test(&[("backupSource.namespaces", list)]);
    let (path, cluster) = ("spec.backupSource.namespaces[1]", Cluster::default());
    let twice = double(json!([{ "name": "shop" }, { "name": "shop" }]));
    refused(&twice, &cluster, &format!("{path}.name"), "shop", "named twice");
    let same = double(json!([{ "name": "shop", "sandboxName": "x" }, { "name": "db", "sandboxName": "x" }]));
    refused(
        &same,
        &cluster,
        &format!("{path}.sandboxName"),
        "x",
        "two namespaces",
    );
    let production = double(json!([{ "name": "a" }, { "name": "b", "sandboxName": "a" }]));
    refused(
        &production,
        &cluster,
        &format!("{path}.sandboxName"),
        "a",
        "never a sandbox",
    );
    let two = double(json!([{ "name": "a", "sandboxName": "x" }, { "name": "b", "sandboxName": "y" }]));
    taken(&two, &cluster);
}

#[test]
fn backups() {
    rows(
        of_test,
        r#"
        backupSource.provider     | "kasten"  | write velero         | "velero"
        backupSource.backupName   | "Nightly" | small letters        | "nightly"
        backupSource.scheduleName | "a/b"     | small letters        | "a.b"
        backupSource.completeness | "source"  | did you mean Source? | "Backup"
        "#,
    );
    let cluster = Cluster::default();
    let selector = |labels: Value| test(&[("backupSource.labelSelector", labels)]);
    let path = "spec.backupSource.labelSelector";
    refused(
        &selector(json!({ "a b": "c" })),
        &cluster,
        &format!("{path}[a b]"),
        "a b",
        "label key",
    );
    refused(
        &selector(json!({ "app": "-" })),
        &cluster,
        &format!("{path}[app]"),
        "-",
        "label value",
    );
    taken(&selector(json!({ "a/b": "", "c": "d" })), &cluster);
    let both = [
        ("backupSource.backupName", json!("a")),
        ("backupSource.scheduleName", json!("b")),
    ];
    refused(
        &test(&both),
        &cluster,
        "spec.backupSource.backupName",
        "a",
        "keep one",
    );
    let latest = [
        ("backupSource.backupName", json!("latest")),
        ("backupSource.scheduleName", json!("b")),
    ];
    taken(&test(&latest), &cluster);
    let second = |name: &str| {
        let source = json!([{ "provider": "velero", "backupName": name, "namespaces": [{ "name": "db" }] }]);
        test(&[
            ("backupSource.backupName", json!("nightly")),
            ("additionalSources", source),
        ])
    };
    let path = "spec.additionalSources[0].backupName";
    refused(
        &second("nightly"),
        &Nothing,
        path,
        "nightly",
        "list all its namespaces",
    );
    taken(&second("weekly"), &Nothing);
}

#[test]
fn sandboxes() {
    rows(
        of_test,
        r#"
        sandbox.namespacePrefix       | "kube-x"   | reserved               | "rp-"
        sandbox.namespacePrefix       | "A"        | small letters          | "a"
        sandbox.networkIsolation      | "open"     | strict or group        | "strict"
        sandbox.retention             | "UntilTtl" | did you mean UntilTTL? | "UntilTTL"
        sandbox.resourceQuota.cpu     | "two"      | 2 or 500m              | "500m"
        sandbox.resourceQuota.cpu     | "0"        | zero                   | "2"
        sandbox.resourceQuota.memory  | "512m"     | 'M'                    | "512Mi"
        sandbox.resourceQuota.storage | "-1Gi"     | not a quantity         | "1Gi"
        sandbox.resourceQuota.pods    | 0          | 1 or more              | 1
        sandbox.resourceQuota.pods    | 10001      | between 1 and 10000    | 10000
        "#,
    );
}

#[test]
fn the_rest_of_a_test() {
    rows(
        of_test,
        r#"
        historyLimit           | 0          | 1 or more           | 1
        historyLimit           | 10001      | between 1 and 10000 | 10000
        historyLimit           | 3000000000 | between 1 and 10000 | 90
        logCollection.maxLines | 9          | between 10 and 1000 | 10
        healthChecks.policyRef | "A"        | small letters       | "a.b"
        "#,
    );
}

#[test]
fn notifications() {
    let told = |target: Value| test(&[("notifications", json!({ "onFailure": [target] }))]);
    let (path, cluster) = ("spec.notifications.onFailure[0]", Cluster::default());
    let unknown = told(json!({ "type": "pagerduty", "webhookSecretRef": "a" }));
    refused(
        &unknown,
        &cluster,
        &format!("{path}.type"),
        "pagerduty",
        "write slack or webhook",
    );
    let secret = |value: Value| told(json!({ "type": "slack", "webhookSecretRef": value }));
    let path = format!("{path}.webhookSecretRef");
    refused(
        &secret(json!("My_Secret")),
        &cluster,
        &path,
        "My_Secret",
        "small letters",
    );
    let object = secret(json!({ "name": "slack", "key": "url" }));
    refused(&object, &cluster, &path, "{...}", "only the name");
    let address = secret(json!("https://hooks.example.com/T0/s3cret"));
    refused(&address, &cluster, &path, "an address", "into a Secret");
    assert!(!format!("{:?}", judge(&address, &cluster)).contains("s3cret"));
    taken(&secret(json!("receivers")), &cluster);
}

/// A policy with one check, whose settings are good but for one.
fn of_check(path: &str, value: Value) -> (Value, String) {
    let (type_, field) = path.split_once('.').unwrap();
    let mut settings = match type_ {
        "podStatus" => json!({ "minReady": 1 }),
        "httpGet" => json!({ "service": "web", "port": 80, "path": "/", "expectedStatus": 200 }),
        "tcpSocket" => json!({ "service": "web", "port": 80 }),
        "exec" => json!({ "command": ["true"] }),
        _ => json!({ "resources": [{ "kind": "Secret", "name": "x" }] }),
    };
    put(&mut settings, field, value);
    let check = json!([{ "name": "x", "type": type_, type_: settings }]);
    (policy(&check), format!("spec.checks[0].{path}"))
}

#[test]
fn checks() {
    rows(
        of_check,
        r#"
        podStatus.minReady               | -1              | 0 or more          | 0
        podStatus.labelSelector          | "app=web"       | app: web           | { "app": "web" }
        podStatus.timeout                | "1d"            | write 24h          | "24h"
        httpGet.service                  | "web.shop"      | small letters      | "web"
        httpGet.port                     | 0               | 1 to 65535         | 1
        httpGet.port                     | 65536           | 1 to 65535         | 65535
        httpGet.port                     | "80"            | without quotes     | 80
        httpGet.path                     | "/a b"          | %XX                | "/a%20b?c=d"
        httpGet.expectedStatus           | 42              | for example 200    | 404
        httpGet.retries                  | 101             | 1 to 100           | 100
        httpGet.timeout                  | "1ms"           | between 100ms      | "100ms"
        tcpSocket.port                   | -1              | 1 to 65535         | 5432
        exec.command                     | []              | names no program   | ["true"]
        exec.command                     | [" "]           | names no program   | ["true", ""]
        exec.command                     | "pg_isready"    | must be a list     | ["pg_isready"]
        exec.successExitCode             | 256             | 0 and 255          | 255
        exec.stdoutMatches               | "("             | unclosed group     | "^ok$"
        exec.stdoutMatches               | "\\w{999}{999}" | too large          | "[0-9a-z]{99}"
        exec.container                   | "A"             | small letters      | ""
        resourceExists.resources         | []              | at least one       | [{ "kind": "Service", "name": "a" }]
        resourceExists.resources[0].kind | "secret"        | for example Secret | "Secret"
        resourceExists.resources[0].name | "../x"          | not the name       | "system:x"
        "#,
    );
}

#[test]
fn checks_among_each_other() {
    let cluster = Cluster::default();
    let unknown = policy(&json!([{ "name": "x", "type": "httpget", "httpGet": {} }]));
    let errors = judge(&unknown, &cluster).errors;
    assert!(paths(&errors).contains(&"spec.checks[0].type"), "{errors:?}");
    assert!(
        errors.iter().any(|e| e.message.contains("did you mean httpGet?")),
        "{errors:?}"
    );
    let mut typeless = tcp("x");
    typeless.as_object_mut().unwrap().remove("type");
    refused(
        &policy(&json!([typeless])),
        &cluster,
        "spec.checks[0].type",
        "",
        "is missing; write podStatus",
    );
    let mut other = tcp("x");
    other["type"] = json!("exec");
    let errors = judge(&policy(&json!([other])), &cluster).errors;
    assert_eq!(
        paths(&errors),
        ["spec.checks[0].tcpSocket", "spec.checks[0].exec"]
    );
    refused(
        &policy(&json!([tcp("x"), tcp("x")])),
        &cluster,
        "spec.checks[1].name",
        "x",
        "two checks",
    );
    refused(
        &policy(&json!([tcp(" ")])),
        &cluster,
        "spec.checks[0].name",
        " ",
        "needs a name",
    );
    taken(&policy(&json!([tcp("x"), tcp("y")])), &cluster);
    let within = |namespace: &str| {
        let mut check = tcp("x");
        check["namespace"] = json!(namespace);
        test(&[("healthChecks.checks", json!([check]))])
    };
    let path = "spec.healthChecks.checks[0].namespace";
    refused(&within("db"), &cluster, path, "db", "write one of shop");
    taken(&within("shop"), &cluster);
}

#[test]
fn everything_is_said_at_once() {
    let namespaces =
        json!([{ "name": "A" }, { "name": "kymaros-system" }, { "name": "ok", "sandboxName": "shop" }]);
    let manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "Shop" },
        "spec": {
            "backupSource": { "provider": "kasten", "maxAge": "x", "namespaces": namespaces },
            "schedule": { "cron": "x", "timezone": 1, "timeZone": "UTC" },
            "sandbox": { "ttl": 30, "ttll": "1h" },
            "healthChecks": { "checks": [{ "name": "x", "type": "grpc" }, { "name": "y", "type": "exec" }] },
            "historyLimit": "ten",
        },
    });
    let errors = judge(&manifest, &Cluster::default()).errors;
    assert_eq!(
        paths(&errors),
        [
            // The shape.
            "spec.backupSource.provider",
            "spec.healthChecks.checks[0].type",
            "spec.historyLimit",
            "spec.sandbox.ttl",
            "spec.sandbox.ttll",
            "spec.schedule.timeZone",
            "spec.schedule.timezone",
            // What is around it.
            "metadata.name",
            "spec.backupSource.namespaces[1].name",
            "spec.backupSource.namespaces[2].sandboxName",
            // The meaning.
            "spec.backupSource.maxAge",
            "spec.backupSource.namespaces[0].name",
            "spec.schedule.cron",
            "spec.healthChecks.checks[1].exec",
        ]
    );
}

#[test]
fn what_is_of_any_length_is_cut() {
    let (long, name) = (json!("x".repeat(1_000_000)), "y".repeat(9999));
    let manifest = test(&[
        ("schedule.cron", long.clone()),
        ("schedule.timezone", long),
        (&name, json!(1)),
    ]);
    let errors = judge(&manifest, &Cluster::default()).errors;
    assert_eq!(errors.len(), 3);
    for error in errors {
        assert!(error.to_string().chars().count() < 1200, "{error:.2000}");
    }
}
