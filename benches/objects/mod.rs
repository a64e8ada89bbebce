//! Tests and reports as a fleet has them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A moment.
pub fn days_ago(days: usize) -> Timestamp {
    let hours = i64::try_from(days).unwrap_or_default() * 24;
    Timestamp::now()
        .saturating_sub(SignedDuration::from_hours(hours))
        .unwrap_or(Timestamp::MIN)
}

fn spec(test: usize) -> Value {
    json!({
        "backupSource": { "provider": "velero", "backupName": "latest", "maxAge": "26h",
                          "namespaces": [{ "name": format!("shop-{test}") }] },
        "schedule": { "cron": "30 3 * * *", "timezone": "Europe/Paris" },
        "sandbox": { "ttl": "30m", "resourceQuota": { "cpu": "2", "memory": "4Gi", "storage": "10Gi", "pods": 20 } },
        "sla": { "maxRTO": "15m" }, "timeout": "30m", "historyLimit": 20,
        "healthChecks": { "timeout": "5m", "checks": [
            { "name": "web", "type": "httpGet", "httpGet": { "service": "web", "port": 80, "path": "/", "expectedStatus": 200 } },
            { "name": "db", "type": "exec", "exec": { "podSelector": { "app": "db" }, "command": ["psql", "-c", "select 1"],
                                                       "stdoutMatches": "^1$" } } ] },
    })
}

/// A test of one namespace, by its number.
pub fn test(number: usize) -> Value {
    let next = Timestamp::now() + SignedDuration::from_hours(3);
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": format!("shop-{number}"), "namespace": format!("team-{}", number % 50), "uid": format!("t-{number}") },
        "spec": spec(number),
        "status": { "phase": "Completed", "lastScore": 95, "lastResult": "pass", "nextRunAt": next.to_string() },
    })
}

/// A report of a test, made some days ago; as large as reports are.
pub fn report(test: usize, day: usize) -> Value {
    let at = days_ago(day).to_string();
    let level = |points: i32, detail: &str| json!({ "status": "pass", "points": points, "max": points, "detail": detail });
    let (score, result) = if (test + day).is_multiple_of(17) {
        (45, "fail")
    } else {
        (95, "pass")
    };
    let stretch = |name: &str| json!({ "name": name, "startedAt": at, "finishedAt": at, "seconds": 2.5 });
    let timeline = [
        "queue", "prepare", "restore", "start", "check", "judge", "clean up",
    ]
    .map(stretch);
    json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
        "metadata": { "name": format!("shop-{test}-{day}"), "namespace": format!("team-{}", test % 50),
                      "uid": format!("r-{test}-{day}"), "creationTimestamp": at },
        "spec": { "testRef": format!("shop-{test}"), "trigger": "Schedule", "test": spec(test) },
        "status": {
            "phase": "Completed", "score": score, "result": result, "message": "14 of 14 objects are in the sandbox",
            "startedAt": at, "completedAt": at, "leftovers": 0, "rto": { "measured": "42.5s", "target": "15m", "withinSLA": true },
            "backup": { "name": "nightly", "age": "2h" }, "completeness": { "deployments": "2/2", "services": "2/2" },
            "source": { "name": "nightly", "age": "2h", "started": at, "phase": "Completed" },
            "plan": [{ "kind": "apps/v1/Deployment", "action": "kept", "objects": 2 },
                     { "kind": "v1/Service", "action": "rewritten", "objects": 2, "reason": "no node ports" }],
            "sandboxes": [{ "source": format!("shop-{test}"), "name": format!("rp-test-shop-{test}-abcdef"), "state": "Removed" }],
            "restores": [{ "name": "kymaros-0a1b2c3d-0", "phase": "Completed", "itemsRestored": 14, "totalItems": 14 }],
            "timeline": timeline,
            "validationLevels": { "restoreIntegrity": level(25, "restore Completed"), "completeness": level(20, "14 of 14 objects"),
                "podStartup": level(20, "2 of 2 workloads are ready"), "internalHealth": level(20, "2 of 2 checks passed"),
                "crossNamespaceDeps": level(10, "no reference to another namespace"), "rtoCompliance": level(5, "42.5s, within 15m") },
            "checks": [{ "name": "web", "status": "pass", "duration": "1s", "message": "GET / answered 200" },
                       { "name": "db", "status": "pass", "duration": "1s", "message": "exit code 0" }],
            "findings": [{ "level": "run", "severity": "info", "cause": "unknown", "message": "nothing of note" }],
        },
    })
}
