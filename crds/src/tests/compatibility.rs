//! Manifests that 0.6.9 took, usual and unusual, are taken here too; and what a run keeps of them is the same.

use crate::{
    RestoreReport, RestoreTest, RestoreTestSpec,
    domain::{BackupChoice, CheckAction, Isolation, Retention, Test},
};
use serde_json::{Value, json};
use std::time::Duration;

use super::admission::{parse, refusals};

/// The smallest manifest of 0.6.9, with changes.
fn test(changes: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "shop", "namespace": "ops" },
        "spec": {
            "backupSource": { "provider": "velero", "backupName": "latest", "namespaces": [{ "name": "shop" }] },
            "schedule": { "cron": "0 3 * * *" },
            "sandbox": { "namespacePrefix": "rp-test" },
        },
    });
    merge(&mut manifest["spec"], changes);
    manifest
}

/// A JSON merge patch.
pub fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    fields.remove(&key);
                } else {
                    merge(fields.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

fn parsed(manifest: &Value) -> Test {
    let spec: RestoreTestSpec = serde_json::from_value(manifest["spec"].clone()).unwrap();
    Test::try_from(&spec).unwrap()
}

#[test]
fn takes_what_0_6_9_took() {
    for changes in [
        json!({}),
        json!({ "sandbox": {} }),
        json!({ "backupSource": { "backupName": "" } }),
        json!({ "backupSource": { "backupName": "nightly-20260101.full" } }),
        json!({ "backupSource": { "labelSelector": { "app.kubernetes.io/part-of": "shop", "tier": "" } } }),
        json!({ "backupSource": { "namespaces": [{ "name": "a", "sandboxName": "" }, { "name": "b", "sandboxName": "b-copy" }] } }),
        json!({ "schedule": { "cron": "@every 1h" } }),
        json!({ "schedule": { "cron": "CRON_TZ=Europe/Berlin 30 2 * * 1-5" } }),
        json!({ "schedule": { "cron": "TZ=UTC @daily" } }),
        json!({ "schedule": { "cron": "0 3 ? * MON" } }),
        json!({ "schedule": { "cron": "5/15 * * * *", "timezone": "" } }),
        json!({ "schedule": { "cron": "@midnight", "timezone": "America/Argentina/Buenos_Aires" } }),
        // What its own controller stored for durations that were not set.
        json!({ "timeout": "0s", "sandbox": { "ttl": "0s" }, "healthChecks": { "timeout": "0s" } }),
        json!({ "sandbox": { "ttl": "1.5h", "networkIsolation": "group", "resourceQuota": { "cpu": "4", "memory": "" } } }),
        json!({ "sandbox": { "ttl": "45m", "resourceQuota": { "cpu": "500m", "memory": "1e9", "storage": "2Ti" } } }),
        json!({ "timeout": "90m" }),
        json!({ "healthChecks": { "policyRef": "", "timeout": "5m" } }),
        json!({ "sla": { "maxRTO": "15m" } }),
        json!({ "sla": { "maxRTO": "2h0m0s", "alertOnExceed": false } }),
        json!({ "notifications": { "onFailure": [{ "type": "slack", "channel": "#ops", "webhookSecretRef": "slack" }], "onSuccess": [] } }),
        json!({ "notifications": { "onSuccess": [{ "type": "webhook" }] } }),
        json!({ "historyLimit": 90, "logCollection": { "enabled": false, "maxLines": 1000, "includeInit": false } }),
    ] {
        let manifest = test(changes.clone());
        assert_eq!(refusals(&manifest), [] as [String; 0], "{changes}");
        parse(&manifest).unwrap_or_else(|invalid| panic!("{changes}: {invalid}"));
    }
}

#[test]
fn a_policy_of_0_6_9_is_taken_with_its_defaults() {
    let manifest = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "HealthCheckPolicy",
        "metadata": { "name": "shop", "namespace": "ops" },
        "spec": { "checks": [
            { "name": "Web pods", "type": "podStatus", "podStatus": { "labelSelector": { "app": "web" }, "minReady": 2 } },
            { "name": "http", "type": "httpGet", "httpGet": { "service": "web", "port": 80, "path": "healthz", "expectedStatus": 200, "timeout": "0s" } },
            { "name": "tcp", "type": "tcpSocket", "tcpSocket": { "service": "db", "port": 5432 } },
            { "name": "sql", "type": "exec", "exec": { "podSelector": { "app": "db" }, "command": ["pg_isready"], "successExitCode": 0, "container": "" } },
            { "name": "objects", "type": "resourceExists", "resourceExists": { "resources": [{ "kind": "Secret", "name": "db" }] } },
        ] },
    });
    assert_eq!(refusals(&manifest), [] as [String; 0]);
    let spec: crate::HealthCheckPolicySpec = serde_json::from_value(manifest["spec"].clone()).unwrap();
    let checks = crate::domain::parse_checks(&spec.checks, "spec.checks").unwrap();
    let seconds: Vec<u64> = checks
        .iter()
        .map(|check| match &check.action {
            CheckAction::PodStatus { timeout, .. }
            | CheckAction::HttpGet { timeout, .. }
            | CheckAction::TcpSocket { timeout, .. }
            | CheckAction::Exec { timeout, .. }
            | CheckAction::ResourceExists { timeout, .. } => timeout.as_secs(),
        })
        .collect();
    assert_eq!(seconds, [60, 10, 10, 10, 10]);
    let CheckAction::HttpGet { path, retries, .. } = &checks[1].action else {
        panic!("{:?}", checks[1])
    };
    assert_eq!((path.as_str(), *retries), ("/healthz", 1));
    assert!(matches!(
        &checks[3].action,
        CheckAction::Exec {
            container: None,
            stdout_matches: None,
            ..
        }
    ));
}

#[test]
fn every_part_of_a_quota_is_what_the_test_says() {
    let own = json!({ "cpu": "500m", "memory": "1e9", "storage": "2Ti", "pods": 7 });
    let quota = parsed(&test(json!({ "sandbox": { "resourceQuota": own } })))
        .sandbox
        .quota;
    let parts = (
        quota.cpu.as_str(),
        quota.memory.as_str(),
        quota.storage.as_str(),
        quota.pods,
    );
    assert_eq!(parts, ("500m", "1e9", "2Ti", 7));
}

#[test]
fn what_is_not_set_has_the_documented_default() {
    let test = parsed(&test(json!({ "sandbox": null })));
    assert_eq!(test.sandbox.prefix, "rp-test");
    assert_eq!(
        (test.sandbox.ttl, test.timeout),
        (Duration::from_mins(30), Duration::from_mins(30))
    );
    assert_eq!(
        (test.sandbox.isolation, test.sandbox.retention),
        (Isolation::Strict, Retention::Immediate)
    );
    let quota = &test.sandbox.quota;
    assert_eq!(
        (
            quota.cpu.as_str(),
            quota.memory.as_str(),
            quota.storage.as_str(),
            quota.pods
        ),
        ("2", "4Gi", "10Gi", 20)
    );
    assert_eq!(
        (test.health.timeout, test.health.settle),
        (Duration::from_mins(10), Duration::from_secs(10))
    );
    assert_eq!(
        (test.history_limit, test.logs.enabled, test.suspend),
        (10, false, false)
    );
    assert_eq!(test.sources[0].backup, BackupChoice::Latest);
    assert!(test.sla.is_none() && !test.notifications.is_set);
}

#[test]
fn timeout_and_ttl_keep_to_each_other_when_one_is_not_set() {
    for (changes, ttl, timeout) in [
        (json!({ "timeout": "2h" }), 120, 120),
        (json!({ "timeout": "10m" }), 30, 10),
        (json!({ "sandbox": { "ttl": "3h" } }), 180, 60),
        (json!({ "sandbox": { "ttl": "20m" } }), 20, 20),
        (json!({ "timeout": "20m", "sandbox": { "ttl": "20m" } }), 20, 20),
    ] {
        let test = parsed(&test(changes.clone()));
        let minutes = (test.sandbox.ttl.as_secs() / 60, test.timeout.as_secs() / 60);
        assert_eq!(minutes, (ttl, timeout), "{changes}");
    }
}

#[test]
fn a_test_is_due_by_the_clock_of_its_zone() {
    let test = parsed(&test(
        json!({ "schedule": { "cron": "0 3 * * *", "timezone": "Asia/Tokyo" } }),
    ));
    let next = test.schedule.next_after("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(next, "2026-01-01T18:00:00Z".parse().ok());
}

#[test]
fn a_log_block_alone_asks_for_logs() {
    assert!(parsed(&test(json!({ "logCollection": {} }))).logs.enabled);
    assert_eq!(parsed(&test(json!({ "logCollection": {} }))).logs.max_lines, 100);
    assert!(
        !parsed(&test(json!({ "logCollection": { "enabled": false } })))
            .logs
            .enabled
    );
}

#[test]
fn every_addition_is_taken() {
    let manifest = test(json!({
        "suspend": true,
        "backupSource": { "backupName": "latest", "scheduleName": "nightly", "maxAge": "26h", "completeness": "Backup" },
        "additionalSources": [{ "provider": "velero", "namespaces": [{ "name": "db" }] }],
        "sandbox": { "resourceQuota": { "pods": 50 }, "retention": "UntilTTL" },
        "healthChecks": { "settle": "0s", "checks": [{
            "name": "rows", "type": "exec", "namespace": "db", "required": true,
            "exec": { "podSelector": { "app": "db" }, "command": ["psql", "-c", "select 1"], "stdoutMatches": "\\(1 row\\)", "timeout": "30s" },
        }] },
    }));
    assert_eq!(refusals(&manifest), [] as [String; 0]);
    let test = parsed(&manifest);
    assert_eq!(test.sources[0].backup, BackupChoice::OfSchedule("nightly".into()));
    assert_eq!(
        (test.sources.len(), test.suspend, test.health.settle),
        (2, true, Duration::ZERO)
    );
    assert_eq!(
        (test.sandbox.retention, test.sandbox.quota.pods),
        (Retention::UntilTtl, 50)
    );
    assert!(test.health.checks[0].required);
}

#[test]
fn the_copy_that_a_run_keeps_is_the_same_spec() {
    let manifest = test(json!({ "suspend": true, "logCollection": { "enabled": false }, "timeout": "0s" }));
    let spec: RestoreTestSpec = serde_json::from_value(manifest["spec"].clone()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), manifest["spec"]);
    let report = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport", "metadata": { "name": "shop-1" },
        "spec": { "testRef": "shop", "trigger": "API", "scheduledFor": "2026-01-01T03:00:00Z", "test": manifest["spec"],
                  "missed": { "times": 2, "first": "2025-12-30T03:00:00Z" } },
    });
    assert_eq!(refusals(&report), [] as [String; 0]);
    let report: RestoreReport = serde_json::from_value(report).unwrap();
    assert_eq!(report.spec.test, Some(spec));
}

#[test]
fn objects_that_0_6_9_stored_can_be_read() {
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest", "metadata": { "name": "shop" },
        "spec": test(json!({}))["spec"],
        "status": { "phase": "", "lastResult": "unknown", "lastRunAt": null, "restoreID": "rp-x", "restoreIDs": ["rp-x"] },
    }))
    .unwrap();
    let status = test.status.unwrap();
    assert_eq!(
        (status.phase, status.last_result, status.restore_id.as_deref()),
        (None, None, Some("rp-x"))
    );
    let level = json!({ "status": "not_tested", "detail": "no policy", "notTested": ["x"] });
    let report: RestoreReport = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport", "metadata": { "name": "shop-1" },
        "spec": { "testRef": "shop" },
        "status": {
            "score": 95, "result": "pass", "startedAt": "2026-01-01T03:00:00Z", "completedAt": "2026-01-01T03:02:00Z",
            "rto": { "measured": "2m0s", "target": "15m0s", "withinSLA": true },
            "backup": { "name": "rp-nightly-abc123", "age": "" },
            "completeness": { "deployments": "1/1", "services": "1/1", "secrets": "2/2", "configMaps": "1/1", "pvcs": "0/0" },
            "validationLevels": { "restoreIntegrity": level, "completeness": level, "podStartup": level,
                "internalHealth": level, "crossNamespaceDeps": level, "rtoCompliance": level },
            "checks": [{ "name": "http", "status": "skip", "duration": "1.2s", "message": "" }],
            "podLogs": [{ "podName": "web-1", "namespace": "rp-test-shop-abc123", "phase": "Running",
                "containers": [{ "name": "web", "type": "previous", "log": "x", "truncated": false, "totalLines": 3 }] }],
            "events": [{ "type": "Warning", "reason": "BackOff", "message": "m", "involvedObject": "Pod/web-1",
                "lastTimestamp": "2026-01-01T03:01:00Z", "count": 3 }],
        },
    }))
    .unwrap();
    let status = report.status.unwrap();
    assert_eq!((status.score, status.phase), (Some(95), None));
    assert!(status.rto.unwrap().within_sla);
}
