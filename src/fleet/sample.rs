//! Tests and reports for tests.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::{
    Resource,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use kymaros_crds::{RestoreReport, RestoreTest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{FleetTest, PackedReports, RunLog, Scope, View};
use crate::stored::StoredReport;
use kymaros_crds::domain::Tier;

/// The n-th day of the sample, at noon.
pub fn at(day: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    begin + SignedDuration::from_hours(24 * day)
}

/// Somebody who looks on the n-th day.
pub fn view(tier: Tier, day: i64) -> View {
    View::new(tier, Scope::All, at(day))
}

/// A report of the n-th day; without a result, of a run that goes on.
pub fn report(namespace: &str, test: &str, day: i64, result: &str, score: Option<i32>) -> RestoreReport {
    let is_over = !result.is_empty();
    let mut value = json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
        "metadata": { "name": format!("{test}-{day}"), "namespace": namespace, "uid": format!("{namespace}-{test}-{day}"),
                      "creationTimestamp": at(day).to_string() },
        "spec": { "testRef": test, "trigger": "Schedule", "test": spec(test) },
        "status": {
            "phase": if is_over { "Completed" } else { "Restoring" },
            "startedAt": at(day).to_string(), "score": score, "timeline": [{ "name": "restore", "seconds": 2.5 }],
            "sources": [{ "name": "nightly" }, { "name": "db" }],
            "findings": [{ "level": "run", "severity": "error", "cause": "backup", "message": "lost" }],
        },
    });
    if is_over {
        let status = &mut value["status"];
        status["result"] = json!(result);
        status["completedAt"] = json!((at(day) + SignedDuration::from_mins(5)).to_string());
        status["rto"] = json!({ "measured": format!("{}s", 60 + day), "target": "15m", "withinSLA": true });
        status["leftovers"] = json!(0);
        status["checks"] = json!([{ "name": "web", "status": "pass", "duration": "1s", "message": "200" }]);
        status["validationLevels"] = json!({
            "restoreIntegrity": { "status": "pass", "points": 25, "max": 25 },
            "completeness": { "status": "pass", "points": 20, "max": 20 },
            "podStartup": { "status": "pass", "points": 20, "max": 20 },
            "internalHealth": { "status": "pass", "points": 20, "max": 20 },
            "crossNamespaceDeps": { "status": "pass", "points": 10, "max": 10 },
            "rtoCompliance": { "status": "pass", "points": 5, "max": 5 },
        });
    }
    read(value)
}

/// A test that restores a namespace of its own name.
pub fn test(namespace: &str, name: &str) -> RestoreTest {
    read(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}") },
        "spec": spec(name),
        "status": { "phase": "Completed", "nextRunAt": at(100).to_string() },
    }))
}

fn spec(name: &str) -> Value {
    json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": name }], "maxAge": "26h" },
        "schedule": { "cron": "0 3 * * *" }, "sla": { "maxRTO": "15m" },
    })
}

/// Reads an object.
pub fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// An index of reports.
pub fn log(reports: impl IntoIterator<Item = RestoreReport>) -> RunLog {
    let log = RunLog::default();
    for report in reports {
        log.look(&Event::Apply(report));
    }
    log
}

/// A store of objects.
pub fn store<K>(objects: impl IntoIterator<Item = K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    for object in objects {
        writer.apply_watcher_event(&Event::Apply(object));
    }
    store
}

/// A store of reports.
pub fn stored(reports: impl IntoIterator<Item = RestoreReport>) -> Store<StoredReport> {
    let (store, mut keeper) = crate::stored::store();
    for report in reports {
        keeper.take(&Event::Apply(report));
    }
    store
}

/// A test of this cluster that restores a namespace of its own name.
pub fn fleet_test(namespace: &str, name: &str) -> FleetTest {
    FleetTest::here(Arc::new(test(namespace, name)))
}

/// Tests of this cluster.
pub fn fleet_tests(tests: impl IntoIterator<Item = RestoreTest>) -> Vec<FleetTest> {
    shared(tests).into_iter().map(FleetTest::here).collect()
}

/// Reports of another cluster.
pub fn packed(reports: impl IntoIterator<Item = RestoreReport>) -> PackedReports {
    let packed = PackedReports::default();
    for report in reports {
        packed.put(&report).unwrap();
    }
    packed
}

/// Objects as a store hands them out.
pub fn shared<K>(objects: impl IntoIterator<Item = K>) -> Vec<Arc<K>> {
    objects.into_iter().map(Arc::new).collect()
}
