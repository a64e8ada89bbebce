//! Other clusters beside this one.

use kymaros_crds::domain::Tier;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::world::{Answered, World};
use crate::fleet::{
    Contact, Remote, Roster,
    sample::{packed, report, store, test},
};

/// `eu` is reached; it has a `shop` too, and an `erp` that nobody else has. `us` is away.
pub fn world() -> World {
    let mut world = World::with_tier(Tier::Enterprise);
    let mut fresh = Contact::new();
    fresh.heard(jiff::Timestamp::now());
    let mut lost = fresh.clone();
    lost.lost(jiff::Timestamp::now(), "it did not answer in time".into());
    let runs = &world.api.fleet.runs;
    let remote = |name: &str, contact: &Contact, tests: &[&str]| {
        let reports = tests.iter().map(|test| report("ops", test, 1, "pass", Some(95)));
        let reports: Vec<_> = reports.collect();
        for report in &reports {
            runs.put_of(&name.parse().unwrap(), report);
        }
        Remote {
            name: name.parse().unwrap(),
            tests: store(tests.iter().map(|name| test("ops", name))),
            reports: packed(reports),
            contact: watch::channel(contact.clone()).1,
        }
    };
    let remotes = [
        remote("eu", &fresh, &["shop", "erp"]),
        remote("us", &lost, &["crm"]),
    ];
    world.api.fleet.roster = watch::channel(Roster {
        remotes: remotes.into(),
        ..Roster::default()
    })
    .1;
    world
}

fn names(answered: &Answered) -> Vec<String> {
    let rows = answered.json();
    let rows = rows.as_array().unwrap_or_else(|| panic!("{answered:?}"));
    let name = |row: &Value| {
        let cluster = row["cluster"].as_str().unwrap_or("-");
        format!(
            "{cluster}/{}/{}",
            row["namespace"].as_str().unwrap(),
            row["name"].as_str().unwrap()
        )
    };
    rows.iter().map(name).collect()
}

#[tokio::test]
async fn every_list_shows_all_clusters_and_can_be_narrowed_to_one() {
    let world = world();
    let all = names(&world.get("/api/v1/tests").await);
    let wanted = [
        "-/ops/blog",
        "us/ops/crm",
        "eu/ops/erp",
        "-/dev/shop",
        "-/ops/shop",
        "eu/ops/shop",
        "-/ops/wiki",
    ];
    assert_eq!(all, wanted);
    assert_eq!(
        names(&world.get("/api/v1/tests?cluster=eu").await),
        ["eu/ops/erp", "eu/ops/shop"]
    );
    let here = names(&world.get("/api/v1/tests?cluster=local").await);
    assert_eq!(here.len(), 4, "{here:?}");
    for (route, of_eu) in [
        ("/summary", "totalTests"),
        ("/coverage", "namespaces"),
        ("/compliance?period=9999", "testsExecuted"),
    ] {
        let join = if route.contains('?') { '&' } else { '?' };
        let ask = async |cluster: &str| {
            let answered = world.get(&format!("/api/v1{route}{join}cluster={cluster}")).await;
            let value = answered.json()[of_eu].clone();
            value
                .as_array()
                .map_or_else(|| value.as_u64(), |all| Some(all.len() as u64))
        };
        assert_eq!(ask("eu").await, Some(2), "{route}");
        assert_eq!(ask("us").await, Some(1), "{route}");
        assert!(ask("local").await > Some(2), "{route}");
    }
    assert_eq!(world.get("/api/v1/schedules?cluster=us").await.json(), json!([]));
}

#[tokio::test]
async fn a_report_says_its_cluster_and_those_of_this_one_stay_as_they_were() {
    let world = world();
    let of_eu = world.get("/api/v1/reports?cluster=eu").await.json();
    assert_eq!(of_eu.as_array().unwrap().len(), 2);
    assert!(
        of_eu[0]["cluster"] == "eu" && of_eu[0]["status"]["result"] == "pass",
        "{of_eu}"
    );
    let alone = World::with_tier(Tier::Enterprise);
    // The same but for the moment they were made at.
    let shape = |answered: &Answered| {
        let text = answered.json().to_string();
        text.split('"')
            .map(|part| if part.starts_with("20") { "" } else { part })
            .collect::<String>()
    };
    for path in [
        "/api/v1/reports",
        "/api/v1/tests",
        "/api/v1/reports/shop-2",
        "/api/v1/runs",
        "/api/v1/alerts?hours=99",
    ] {
        let beside = world
            .get(&format!(
                "{path}{}cluster=local",
                if path.contains('?') { '&' } else { '?' }
            ))
            .await;
        assert_eq!(shape(&beside), shape(&alone.get(path).await), "{path}");
    }
    let one = world.get("/api/v1/reports/erp-1").await.json();
    assert_eq!(
        (&one["cluster"], &one["metadata"]["name"]),
        (&json!("eu"), &json!("erp-1"))
    );
    let logs = world.get("/api/v1/reports/erp-1/logs").await;
    assert_eq!(logs.status, 404);
    assert!(logs.error().contains("stay in their cluster"), "{logs:?}");
}

#[tokio::test]
async fn a_name_in_two_clusters_is_asked_back() {
    let world = world();
    let asked = world.get("/api/v1/tests/shop").await;
    assert_eq!(asked.status, 409, "{asked:?}");
    assert_eq!(asked.json()["choices"], json!(["local", "eu"]));
    assert_eq!(asked.json()["field"], "cluster");
    let here = world.get("/api/v1/tests/shop?cluster=local").await;
    assert_eq!(
        (here.status.as_u16(), &here.json()["field"]),
        (409, &json!("namespace"))
    );
    assert_eq!(
        world.get("/api/v1/tests/shop?cluster=eu").await.json()["cluster"],
        "eu"
    );
    assert_eq!(world.get("/api/v1/reports/shop-1?cluster=eu").await.status, 200);
    let nowhere = world.get("/api/v1/tests?cluster=asia").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.json()["choices"], json!(["local", "eu", "us"]));
}

#[tokio::test]
async fn nothing_is_changed_in_another_cluster() {
    let world = world();
    for (method, path, body) in [
        ("POST", "/api/v1/tests/erp/trigger", ""),
        ("POST", "/api/v1/tests/shop/trigger?cluster=eu", ""),
        ("PUT", "/api/v1/tests/erp", "{}"),
        ("DELETE", "/api/v1/tests/erp", ""),
        ("DELETE", "/api/v1/tests/shop?cluster=eu&namespace=ops", ""),
        (
            "POST",
            "/api/v1/tests?cluster=eu",
            r#"{"name":"x","namespaces":["x"]}"#,
        ),
        ("GET", "/api/v1/plan/erp", ""),
        ("POST", "/api/v1/config/sandbox/cleanup?cluster=eu", ""),
    ] {
        let answered = world.ask(method, path, "admin", body).await;
        assert_eq!(answered.status, 422, "{method} {path}: {answered:?}");
        assert!(
            answered.error().contains("in that cluster"),
            "{}",
            answered.error()
        );
    }
    assert_eq!(world.writes(), []);
    let path = "/api/v1/tests/shop/trigger?namespace=ops";
    assert_eq!(
        world.ask("POST", path, "admin", "").await.status,
        200,
        "the one of this cluster is meant"
    );
}

#[tokio::test]
async fn what_is_old_is_said_to_be() {
    let world = world();
    let rows = world.get("/api/v1/clusters").await.json();
    let states: Vec<(&str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [("local", "reachable"), ("eu", "reachable"), ("us", "away")]
    );
    assert!(
        rows[2]["knownAgeSeconds"].is_u64() && rows[2]["problem"] == "it did not answer in time",
        "{rows}"
    );
    let notice = |answered: &Answered| {
        let said = answered.headers.get_all("kymaros-notice");
        said.iter()
            .filter_map(|line| line.to_str().ok())
            .any(|line| line.contains("us has been away"))
    };
    assert!(notice(&world.get("/api/v1/tests").await));
    assert!(notice(&world.get("/api/v1/tests?cluster=us").await));
    assert!(!notice(&world.get("/api/v1/tests?cluster=eu").await));
}

#[tokio::test]
async fn exports_have_a_column_for_the_cluster_once_there_are_others() {
    let world = world();
    let text = world.get("/api/v1/tests.csv").await.text;
    assert!(text.lines().next().unwrap().ends_with(",cluster,away"), "{text}");
    assert!(
        text.contains(",erp,") && text.lines().any(|line| line.ends_with(",eu,")),
        "{text}"
    );
    let text = world.get("/api/v1/reports.csv?cluster=us").await.text;
    assert_eq!(text.lines().count(), 2, "{text}");
    let alone = World::with_tier(Tier::Enterprise);
    for path in ["/api/v1/tests.csv", "/api/v1/reports.csv", "/api/v1/coverage.csv"] {
        let text = alone.get(path).await.text;
        assert!(!text.contains("cluster"), "{path}: {text}");
    }
}

#[tokio::test]
async fn evidence_says_which_clusters_are_away() {
    let world = world();
    let line = "Cluster us has been away since";
    for path in [
        "/api/v1/compliance",
        "/api/v1/compliance.csv",
        "/api/v1/compliance.pdf",
        "/api/v1/tests.csv",
        "/api/v1/reports.csv",
    ] {
        let all = world.get(path).await;
        assert!(all.text.contains(line), "{path}: {}", all.text);
        let reached = world.get(&format!("{path}?cluster=eu")).await;
        assert_eq!(reached.status, 200, "{path}");
        assert!(!reached.text.contains("away since"), "{path}: {}", reached.text);
    }
    let rows = world.get("/api/v1/tests.csv").await.text;
    let of_us: Vec<bool> = rows.lines().map(|row| row.contains(line)).collect();
    assert_eq!(of_us.iter().filter(|is_away| **is_away).count(), 1, "{rows}");
    let json = world.get("/api/v1/compliance").await.json();
    assert_eq!(
        (
            json["hidden"].as_array().unwrap().len(),
            json["away"].as_array().unwrap().len()
        ),
        (0, 1)
    );
}
