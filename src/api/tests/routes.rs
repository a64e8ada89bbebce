//! Each route once where it answers, and where it does not.

use std::collections::BTreeSet;

use kymaros_crds::domain::Tier;
use serde_json::{Value, json};

use super::world::World;
use crate::api::table::routes;

/// A call of each route that works in every tier that has it: method, route, address, body, code.
pub const CALLS: &[(&str, &str, &str, &str, u16)] = &[
    ("GET", "/api/v1/health", "/api/v1/health", "", 200),
    ("GET", "/api/v1/openapi.json", "/api/v1/openapi.json", "", 200),
    ("GET", "/api/v1/license", "/api/v1/license", "", 200),
    ("GET", "/api/v1/summary", "/api/v1/summary", "", 200),
    (
        "GET",
        "/api/v1/summary/daily",
        "/api/v1/summary/daily?days=400",
        "",
        200,
    ),
    ("GET", "/api/v1/clusters", "/api/v1/clusters", "", 200),
    ("GET", "/api/v1/tests", "/api/v1/tests", "", 200),
    ("GET", "/api/v1/tests/{name}", "/api/v1/tests/blog", "", 200),
    (
        "GET",
        "/api/v1/reports",
        "/api/v1/reports?days=400&test=shop&latest=false&running=true&limit=9",
        "",
        200,
    ),
    ("GET", "/api/v1/reports/{name}", "/api/v1/reports/shop-2", "", 200),
    (
        "GET",
        "/api/v1/reports/{name}/logs",
        "/api/v1/reports/shop-2/logs",
        "",
        200,
    ),
    ("GET", "/api/v1/alerts", "/api/v1/alerts?hours=999", "", 200),
    ("GET", "/api/v1/upcoming", "/api/v1/upcoming", "", 200),
    ("GET", "/api/v1/runs", "/api/v1/runs", "", 200),
    ("GET", "/api/v1/events", "/api/v1/events", "", 200),
    ("GET", "/api/v1/coverage", "/api/v1/coverage", "", 200),
    (
        "GET",
        "/api/v1/compliance",
        "/api/v1/compliance?framework=dora&period=30",
        "",
        200,
    ),
    ("GET", "/api/v1/schedules", "/api/v1/schedules", "", 200),
    (
        "GET",
        "/api/v1/config/provider",
        "/api/v1/config/provider",
        "",
        200,
    ),
    (
        "GET",
        "/api/v1/config/notifications",
        "/api/v1/config/notifications",
        "",
        200,
    ),
    ("GET", "/api/v1/config/sandbox", "/api/v1/config/sandbox", "", 200),
    ("GET", "/api/v1/tests.csv", "/api/v1/tests.csv", "", 200),
    ("GET", "/api/v1/reports.csv", "/api/v1/reports.csv", "", 200),
    ("GET", "/api/v1/coverage.csv", "/api/v1/coverage.csv", "", 200),
    ("GET", "/api/v1/compliance.csv", "/api/v1/compliance.csv", "", 200),
    ("GET", "/api/v1/compliance.pdf", "/api/v1/compliance.pdf", "", 200),
    // The API server of these tests has no backup.
    ("GET", "/api/v1/plan/{name}", "/api/v1/plan/blog", "", 422),
    (
        "POST",
        "/api/v1/tests",
        "/api/v1/tests?namespace=ops",
        r#"{"name":"wiki","namespaces":["wiki"],"cron":"@daily"}"#,
        201,
    ),
    (
        "PUT",
        "/api/v1/tests/{name}",
        "/api/v1/tests/blog",
        r#"{"cron":"0 4 * * *"}"#,
        200,
    ),
    ("DELETE", "/api/v1/tests/{name}", "/api/v1/tests/blog", "", 204),
    (
        "POST",
        "/api/v1/tests/{name}/trigger",
        "/api/v1/tests/wiki/trigger",
        "",
        200,
    ),
    (
        "POST",
        "/api/v1/config/notifications/test",
        "/api/v1/config/notifications/test",
        r#"{"type":"slack"}"#,
        422,
    ),
    (
        "POST",
        "/api/v1/config/sandbox/cleanup",
        "/api/v1/config/sandbox/cleanup",
        "",
        200,
    ),
];

#[tokio::test]
async fn every_route_answers() {
    let all: BTreeSet<String> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let called: BTreeSet<String> = CALLS
        .iter()
        .map(|(method, route, ..)| format!("{method} {route}"))
        .collect();
    assert_eq!(all, called, "each route is called once");
    let world = World::with_tier(Tier::Enterprise);
    for (method, _, address, body, code) in CALLS {
        let answered = world.ask(method, address, "admin", body).await;
        assert_eq!(
            answered.status.as_u16(),
            *code,
            "{method} {address}: {answered:?}"
        );
        assert_eq!(answered.headers["x-content-type-options"], "nosniff", "{address}");
        assert_eq!(answered.headers["cache-control"], "no-store", "{address}");
        assert!(
            !answered.headers.contains_key("access-control-allow-origin"),
            "{address}"
        );
    }
}

#[tokio::test]
async fn mistakes_say_what_is_wrong() {
    let world = World::with_tier(Tier::Enterprise);
    for (address, code, said) in [
        ("/api/v1/summary/daily?days=0", 400, "invalid 'days' parameter"),
        ("/api/v1/summary/daily?days=soon", 400, "invalid 'days' parameter"),
        ("/api/v1/reports?days=-1", 400, "invalid 'days' parameter"),
        ("/api/v1/reports?latest=maybe", 400, "invalid 'latest' parameter"),
        ("/api/v1/reports?limit=0", 400, "invalid 'limit' parameter"),
        ("/api/v1/alerts?hours=0", 400, "invalid 'hours' parameter"),
        (
            "/api/v1/compliance?framework=hipaa",
            400,
            "soc2, iso27001 or dora",
        ),
        ("/api/v1/compliance?period=0", 400, "invalid 'period' parameter"),
        ("/api/v1/tests?namespace=Not_A_Name", 400, "namespace"),
        ("/api/v1/reports/nothing", 404, "report not found"),
        ("/api/v1/reports/nothing/logs", 404, "report not found"),
        ("/api/v1/tests/nothing", 404, "test not found"),
        ("/api/v1/tests/nothing?namespace=ops", 404, "test not found"),
        ("/api/v1/plan/nothing", 404, "test not found"),
        ("/api/v1/nothing", 404, "openapi.json"),
        ("/api/nothing", 404, "openapi.json"),
        ("/api/v1/tests/%ff", 400, "UTF-8"),
    ] {
        let answered = world.get(address).await;
        assert_eq!(answered.status.as_u16(), code, "{address}: {answered:?}");
        assert!(answered.error().contains(said), "{address}: {}", answered.error());
    }
    assert_eq!(
        world.ask("OPTIONS", "/api/v1/tests", "admin", "").await.status,
        405
    );
    let patched = world.ask("PATCH", "/api/v1/tests", "admin", "").await;
    assert_eq!(
        (patched.status.as_u16(), &patched.headers["allow"]),
        (405, &"GET,HEAD,POST".parse().unwrap())
    );
    assert!(patched.error().contains("PATCH does nothing here"), "{patched:?}");
    assert_eq!(world.ask("HEAD", "/api/v1/tests", "admin", "").await.status, 200);
}

#[tokio::test]
async fn a_name_in_two_namespaces_is_asked_back() {
    let world = World::new();
    for (method, address, body) in [
        ("GET", "/api/v1/tests/shop", ""),
        ("PUT", "/api/v1/tests/shop", "{}"),
        ("DELETE", "/api/v1/tests/shop", ""),
        ("POST", "/api/v1/tests/shop/trigger", ""),
        ("GET", "/api/v1/plan/shop", ""),
    ] {
        let answered = world.ask(method, address, "admin", body).await;
        assert_eq!(answered.status, 409, "{method} {address}: {answered:?}");
        assert_eq!(answered.json()["choices"], json!(["dev", "ops"]));
    }
    assert_eq!(
        world.get("/api/v1/tests/shop?namespace=dev").await.json()["namespace"],
        "dev"
    );
}

fn has(value: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(value.get(key).is_some(), "{key} is not in {value}");
    }
}

#[tokio::test]
async fn clients_of_0_6_9_find_what_they_read() {
    let world = World::with_tier(Tier::Team);
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let has = |value: &Value, wanted: &[&str]| {
        let found = keys(value);
        for key in wanted {
            assert!(found.contains(*key), "{key} is not in {found:?}");
        }
    };
    let json = async |address: &str| world.get(address).await.json();
    let health = json("/api/v1/health").await;
    has(
        &health,
        &[
            "status",
            "version",
            "kubernetesVersion",
            "namespace",
            "uptime",
            "pod",
            "startedAt",
        ],
    );
    let summary = json("/api/v1/summary").await;
    has(
        &summary,
        &[
            "averageScore",
            "totalTests",
            "testsLastNight",
            "totalFailures",
            "totalPartial",
            "averageRTO",
            "namespacesCovered",
        ],
    );
    assert!(summary["averageRTO"].is_string() && summary["averageScore"].is_f64());
    has(
        &json("/api/v1/summary/daily").await[0],
        &["date", "score", "tests", "failures"],
    );
    let tests = json("/api/v1/tests").await;
    has(
        &tests[0],
        &[
            "name",
            "namespace",
            "provider",
            "schedule",
            "phase",
            "lastScore",
            "lastResult",
            "lastRunAt",
            "nextRunAt",
            "sourceNamespaces",
            "rtoTarget",
        ],
    );
    let reports = json("/api/v1/reports").await;
    assert_eq!(reports.as_array().unwrap().len(), 4);
    for report in reports.as_array().unwrap() {
        has(report, &["metadata", "spec", "status"]);
        has(
            &report["status"],
            &[
                "score",
                "result",
                "startedAt",
                "completedAt",
                "rto",
                "backup",
                "completeness",
                "validationLevels",
            ],
        );
    }
    let logs = json("/api/v1/reports/shop-2/logs").await;
    assert_eq!(logs, json!({ "podLogs": [], "events": [] }));
    let alerts = json("/api/v1/alerts").await;
    has(
        &alerts[0],
        &[
            "timestamp",
            "testName",
            "namespace",
            "score",
            "prevScore",
            "result",
            "message",
        ],
    );
    assert_eq!(json("/api/v1/alerts?namespace=nowhere").await, json!([]));
    assert_eq!(json("/api/v1/upcoming?namespace=nowhere").await, json!([]));
    assert_eq!(json("/api/v1/reports?namespace=nowhere").await, json!([]));
}

#[tokio::test]
async fn clients_find_settings_license_and_compliance_of_older_versions() {
    let world = World::with_tier(Tier::Team);
    let json = async |address: &str| world.get(address).await.json();
    has(
        &json("/api/v1/schedules").await[0],
        &[
            "Name",
            "Cron",
            "Namespaces",
            "LastBackup",
            "name",
            "cron",
            "namespaces",
            "lastBackup",
        ],
    );
    has(
        &json("/api/v1/config/provider").await,
        &[
            "provider",
            "status",
            "namespace",
            "backupCount",
            "scheduleCount",
            "lastBackupName",
        ],
    );
    has(&json("/api/v1/config/notifications").await, &["channels"]);
    let sandbox = json("/api/v1/config/sandbox").await;
    assert_eq!(
        (&sandbox["activeSandboxes"], &sandbox["orphanedSandboxes"]),
        (&json!(0), &json!(1))
    );
    let license = json("/api/v1/license").await;
    has(&license, &["tier", "isExpired", "isTrialing", "features"]);
    has(
        &json("/api/v1/compliance").await,
        &[
            "framework",
            "period",
            "status",
            "testsExecuted",
            "averageScore",
            "namespacesCovered",
            "daysWithTests",
            "daysInPeriod",
            "issuesDetected",
            "averageRTO",
            "rtoTarget",
            "rtoCompliant",
            "dailyData",
        ],
    );
}

#[tokio::test]
async fn many_reports_are_one_list() {
    let world = World::with_tier(Tier::Enterprise);
    let mut reports = Vec::new();
    for day in 0..200 {
        let report = crate::fleet::sample::report("ops", "many", day, "pass", Some(90));
        world
            .api
            .fleet
            .runs
            .look(&kube::runtime::watcher::Event::Apply(report.clone()));
        reports.push(report);
    }
    let mut api = world.api.clone();
    api.fleet.reports = crate::fleet::sample::stored(reports);
    let world = World { api, ..world };
    let all = world.get("/api/v1/reports?test=many").await.json();
    let names: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["metadata"]["name"].as_str())
        .collect();
    assert_eq!((names.len(), names[0], names[199]), (200, "many-199", "many-0"));
    let some = world.get("/api/v1/reports?test=many&limit=3").await.json();
    assert_eq!(some.as_array().unwrap().len(), 3);
    // Those that went meanwhile leave no hole.
    let other = world.get("/api/v1/reports").await.json();
    assert_eq!(other.as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn another_origin_reads_only_what_it_may() {
    let world = World::with_cors("https://ops.example.com");
    let answered = world.ask("OPTIONS", "/api/v1/tests", "", "").await;
    assert_eq!(answered.status, 204);
    assert_eq!(
        answered.headers["access-control-allow-origin"],
        "https://ops.example.com"
    );
    let read = world.ask("GET", "/api/v1/summary/daily?days=30", "", "").await;
    assert_eq!(
        read.headers["access-control-allow-origin"],
        "https://ops.example.com"
    );
    assert!(read.headers.contains_key("kymaros-notice"));
    assert_eq!(read.headers["access-control-expose-headers"], "kymaros-notice");
}
