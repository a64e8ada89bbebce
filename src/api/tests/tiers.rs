//! Every tier over every route: what it hides is said, and what keeps data safe is never hidden.

use kymaros_crds::domain::Tier;
use serde_json::json;

use super::{routes::CALLS, world::World};
use crate::api::table::routes;

const TIERS: [Tier; 3] = [Tier::Community, Tier::Team, Tier::Enterprise];
/// Routes that need a tier, and the least that has them. All others are in every tier.
const CLOSED: [(&str, Tier); 6] = [
    ("/api/v1/compliance", Tier::Team),
    ("/api/v1/tests.csv", Tier::Team),
    ("/api/v1/reports.csv", Tier::Team),
    ("/api/v1/coverage.csv", Tier::Team),
    ("/api/v1/compliance.csv", Tier::Team),
    ("/api/v1/compliance.pdf", Tier::Enterprise),
];

#[tokio::test]
async fn a_route_is_closed_in_the_tiers_below_its_own_and_in_no_other() {
    for tier in TIERS {
        for (method, route, address, body, code) in CALLS {
            let answered = World::with_tier(tier).ask(method, address, "admin", body).await;
            let least = CLOSED
                .iter()
                .find(|(closed, _)| closed == route)
                .map(|(_, least)| *least);
            let Some(least) = least.filter(|least| tier < *least) else {
                assert_eq!(
                    answered.status.as_u16(),
                    *code,
                    "{tier}: {method} {address}: {answered:?}"
                );
                continue;
            };
            assert_eq!(answered.status, 403, "{tier}: {method} {address}");
            let said = answered.json();
            assert_eq!(said["error"], format!("This feature requires Kymaros {least}"));
            assert_eq!(
                (&said["currentTier"], &said["requiredTier"]),
                (&tier.as_str().into(), &least.as_str().into())
            );
            assert_eq!(said["upgradeURL"], "https://kymaros.io/#pricing");
        }
    }
}

#[test]
fn the_documentation_knows_which_routes_a_tier_closes() {
    let closed: Vec<&str> = routes()
        .iter()
        .filter(|route| route.feature.is_some())
        .map(|route| route.path)
        .collect();
    assert_eq!(closed, CLOSED.map(|(path, _)| path));
}

#[tokio::test]
async fn what_is_hidden_is_said_in_a_line() {
    for (tier, address, lines, hidden) in [
        (Tier::Community, "/api/v1/summary/daily?days=30", 1, ""),
        (Tier::Team, "/api/v1/summary/daily?days=30", 0, ""),
        (Tier::Community, "/api/v1/reports", 3, "shop-1\""),
        (Tier::Community, "/api/v1/reports", 3, "\"points\""),
        (Tier::Community, "/api/v1/reports?latest=true", 2, "\"timeline\""),
        (Tier::Community, "/api/v1/reports?namespace=nowhere", 1, ""),
        (Tier::Team, "/api/v1/reports?days=90", 0, "never"),
        (Tier::Community, "/api/v1/reports/shop-2", 2, "\"points\""),
        (Tier::Community, "/api/v1/reports/shop-2", 2, "\"timeline\""),
        (Tier::Team, "/api/v1/reports/shop-2", 0, "never"),
        (Tier::Community, "/api/v1/alerts", 1, "regression"),
        (Tier::Team, "/api/v1/alerts", 0, "never"),
        (
            Tier::Community,
            "/api/v1/tests/shop?namespace=ops",
            2,
            "\"median\"",
        ),
        (Tier::Team, "/api/v1/tests/shop?namespace=ops", 0, "never"),
        (Tier::Team, "/api/v1/reports", 1, "never"),
        (Tier::Enterprise, "/api/v1/reports", 0, "never"),
    ] {
        let answered = World::with_tier(tier).get(address).await;
        let notices: Vec<_> = answered.headers.get_all("kymaros-notice").iter().collect();
        assert_eq!(notices.len(), lines, "{tier} {address}: {notices:?}");
        if !hidden.is_empty() {
            assert!(!answered.text.contains(hidden), "{tier} {address} shows {hidden}");
        }
    }
    let seen = |tier| async move { World::with_tier(tier).get("/api/v1/reports/shop-2").await.text };
    for shown in ["\"points\"", "\"timeline\""] {
        assert!(seen(Tier::Team).await.contains(shown), "{shown}");
    }
    let team = World::with_tier(Tier::Team);
    assert!(team.get("/api/v1/alerts").await.text.contains("regression"));
    assert!(
        team.get("/api/v1/tests/shop?namespace=ops")
            .await
            .text
            .contains("\"median\"")
    );
}

#[tokio::test]
async fn what_keeps_data_safe_is_in_every_tier() {
    let community = World::with_tier(Tier::Community);
    let report = community.get("/api/v1/reports/shop-2").await.json();
    assert_eq!(
        (&report["status"]["result"], &report["status"]["score"]),
        (&"fail".into(), &40.into())
    );
    assert!(!report["status"]["findings"].as_array().unwrap().is_empty());
    assert_eq!(community.get("/api/v1/alerts").await.json()[0]["result"], "fail");
    let unproven = community.get("/api/v1/coverage").await.json();
    assert!(!unproven["namespaces"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_old_report_is_not_found_unless_the_tier_looks_back_that_far_and_that_is_said() {
    for (tier, code) in [(Tier::Community, 404), (Tier::Team, 200), (Tier::Enterprise, 200)] {
        let world = World::with_tier(tier);
        for path in ["/api/v1/reports/shop-1", "/api/v1/reports/shop-1/logs"] {
            let answered = world.get(path).await;
            assert_eq!(answered.status.as_u16(), code, "{tier} {path}");
            if code == 404 {
                let line =
                    "The Community tier shows 7 days of history; the Team tier shows 90, Enterprise all.";
                let said = json!({ "error": "report not found", "hidden": [line] });
                assert_eq!(answered.json(), said, "{path}");
                assert_eq!(answered.headers["kymaros-notice"], line, "{path}");
            }
        }
        for path in ["/api/v1/reports/none", "/api/v1/reports/shop-1?namespace=dev"] {
            let none = world.get(path).await.json();
            let said = json!({ "error": "report not found", "remedy": "GET /api/v1/reports lists them" });
            assert_eq!(none, said, "{tier} {path}");
        }
    }
}
