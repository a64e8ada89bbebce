//! Files to keep, and what is in them.

use kube::runtime::watcher::Event;
use kymaros_crds::domain::Tier;

use super::world::{Answered, World, made};
use crate::fleet::sample::{report, store, test};

/// `shop` also has a run of a hundred days ago.
fn world(tier: Tier) -> World {
    let world = World::with_tier(tier);
    let old = made(
        report("ops", "shop", 6, "pass", Some(95)),
        jiff::Timestamp::now(),
        100,
    );
    world.api.fleet.runs.look(&Event::Apply(old));
    world
}

fn notices(answered: &Answered) -> usize {
    answered.headers.get_all("kymaros-notice").iter().count()
}

#[tokio::test]
async fn exports_look_back_no_further_than_the_tier() {
    for (tier, period, sees_old) in [
        (Tier::Team, "Last 90 days", false),
        (Tier::Enterprise, "Last 365 days", true),
    ] {
        let world = world(tier);
        let hidden = usize::from(!sees_old);
        let reports = world.get("/api/v1/reports.csv").await;
        assert!(reports.text.contains(",shop-1,"), "{tier}: {reports:?}");
        assert_eq!(reports.text.contains(",shop-6,"), sees_old, "{tier}: {reports:?}");
        assert_eq!(notices(&reports), hidden, "{tier}: {reports:?}");
        let csv = world.get("/api/v1/compliance.csv?period=365").await;
        assert!(csv.text.contains(period), "{tier}: {csv:?}");
        assert_eq!(notices(&csv), hidden, "{tier}: {csv:?}");
        assert_eq!(
            csv.text.contains("shows 90 days of history"),
            !sees_old,
            "{tier}: {csv:?}"
        );
        let json = world.get("/api/v1/compliance?period=365").await;
        let runs = if sees_old { 5 } else { 4 };
        assert_eq!(json.json()["testsExecuted"], runs, "{tier}: {json:?}");
        assert_eq!(
            (json.json()["period"].as_str(), notices(&json)),
            (Some(period), hidden)
        );
    }
    let pdf = world(Tier::Enterprise)
        .get("/api/v1/compliance.pdf?period=365")
        .await;
    assert!(pdf.text.contains("Last 365 days"), "{pdf:?}");
}

#[tokio::test]
async fn files_hold_what_the_routes_answer() {
    let world = World::with_tier(Tier::Enterprise);
    let lines = async |name: &str| -> Vec<String> {
        let file = world.get(&format!("/api/v1/{name}.csv")).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        let kept = format!("attachment; filename=\"kymaros-{name}.csv\"");
        assert_eq!(file.headers["content-disposition"], kept.as_str());
        file.text.lines().map(str::to_owned).collect()
    };
    let begin = |lines: &[String]| -> Vec<String> {
        let two = |line: &String| line.split(',').take(2).collect::<Vec<_>>().join("/");
        lines.iter().map(two).collect()
    };
    let tests = lines("tests").await;
    let rows = ["namespace/name", "ops/blog", "dev/shop", "ops/shop", "ops/wiki"];
    assert_eq!(begin(&tests), rows);
    let reports = lines("reports").await;
    let rows = [
        "namespace/report",
        "ops/shop-2",
        "dev/shop-3",
        "ops/shop-4",
        "ops/shop-1",
    ];
    assert_eq!(begin(&reports), rows);
    assert!(reports[1].contains(",Completed,fail,40,"), "{reports:?}");
    assert!(
        reports[0].ends_with(",backups,sourceNamespaces") && reports[1].ends_with(",nightly db,shop"),
        "{reports:?}"
    );
    let coverage = lines("coverage").await;
    assert!(
        coverage.iter().any(|line| line.starts_with("shop,")),
        "{coverage:?}"
    );
    let compliance = lines("compliance").await;
    assert!(compliance[1].contains(",A1.3,"), "{compliance:?}");
    let json = world.get("/api/v1/compliance").await.json();
    let [as_of, scope, status] =
        ["asOf", "scope", "status"].map(|name| json[name].as_str().unwrap().to_owned());
    assert!(as_of.parse::<jiff::Timestamp>().is_ok(), "{as_of}");
    let ends = |line: &String| line.ends_with(&format!("Z,{scope},{status},"));
    assert!(
        compliance[0].ends_with(",asOf,scope,status,notes"),
        "{compliance:?}"
    );
    assert!(compliance[1..].iter().all(ends), "{compliance:?}");

    let pdf = world.get("/api/v1/compliance.pdf").await;
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert!(pdf.text.starts_with("%PDF-"), "{pdf:?}");
    assert!(pdf.text.contains("not met by ops/wiki"), "{pdf:?}");
}

#[tokio::test]
async fn a_file_has_no_formulas() {
    let mut world = World::with_tier(Tier::Team);
    let mut daily = test("ops", "shop");
    daily.spec.schedule.cron = "@daily".into();
    world.api.fleet.tests = store([daily]);
    let file = world.get("/api/v1/tests.csv").await.text;
    assert!(file.contains("ops,shop,'@daily,"), "{file}");
}

#[tokio::test]
async fn a_file_of_tests_is_narrowed_to_those_that_are_looked_for() {
    let world = World::with_tier(Tier::Enterprise);
    let names = async |query: &str| -> Vec<String> {
        let file = world.get(&format!("/api/v1/tests.csv?{query}")).await;
        assert_eq!(file.status, 200, "{file:?}");
        let name = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join("/");
        file.text.lines().skip(1).map(name).collect()
    };
    assert_eq!(names("q=WIK").await, ["ops/wiki"]);
    assert_eq!(names("q=dev").await, ["dev/shop"]);
    assert_eq!(names("status=running").await, ["ops/blog"]);
    assert_eq!(names("status=running&q=wiki").await, [""; 0]);
    let refused = world.get("/api/v1/tests.csv?status=bad").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["field"]),
        (400, &"status".into())
    );
}
