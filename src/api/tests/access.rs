//! Each mode, where it says no.

use super::{routes::CALLS, world::World};
use crate::api::{Limits, route::Need, table::routes};

fn need(method: &str, path: &str) -> Need {
    routes()
        .into_iter()
        .find(|route| route.method == method && route.path == path)
        .unwrap()
        .need
}

#[tokio::test]
async fn by_the_cluster_nobody_reads_or_writes_without_a_token_and_the_right() {
    let world = World::new();
    for (method, route, address, body, _) in CALLS {
        let need = need(method, route);
        for token in ["", "invented"] {
            let answered = world.ask(method, address, token, body).await;
            if need == Need::Nothing {
                assert_eq!(answered.status, 200, "{method} {address}");
                continue;
            }
            assert_eq!(
                answered.status, 401,
                "{method} {address} with {token:?}: {answered:?}"
            );
            assert_eq!(answered.headers["www-authenticate"], "Bearer");
            assert!(
                answered.error().contains("kubectl create token"),
                "{}",
                answered.error()
            );
        }
        let answered = world.ask(method, address, "nobody", body).await;
        match need {
            Need::Nothing | Need::Token => assert_eq!(answered.status, 200, "{method} {address}"),
            _ => assert_eq!(answered.status, 403, "{method} {address}: {answered:?}"),
        }
    }
    let nobodys = |(_, _, who, _): &super::world::Asked| who == "nobody";
    let operators = |(_, _, who, _): &super::world::Asked| who == "operator";
    assert!(world.writes().iter().all(nobodys), "{:?}", world.writes());
    assert!(!world.writes().iter().any(operators));
}

#[tokio::test]
async fn a_right_in_one_namespace_is_a_right_there() {
    let world = World::new();
    for (address, code) in [
        ("/api/v1/tests", 403),
        ("/api/v1/tests?namespace=ops", 200),
        ("/api/v1/tests?namespace=dev", 403),
        ("/api/v1/tests/shop?namespace=ops", 200),
        ("/api/v1/tests/shop?namespace=dev", 403),
        ("/api/v1/tests/blog", 403),
        ("/api/v1/reports/shop-2?namespace=ops", 200),
        ("/api/v1/reports/shop-2", 403),
        ("/api/v1/events?namespace=dev", 403),
        ("/api/v1/coverage?namespace=ops", 403),
        ("/api/v1/schedules", 403),
    ] {
        let answered = world.ask("GET", address, "dev", "").await;
        assert_eq!(answered.status.as_u16(), code, "{address}: {answered:?}");
    }
    let refused = world.ask("GET", "/api/v1/tests", "dev", "").await;
    assert!(refused.error().contains("?namespace="), "{}", refused.error());
    assert!(
        refused.error().contains("kubectl auth can-i list restoretests"),
        "{}",
        refused.error()
    );
}

#[tokio::test]
async fn with_one_token_everybody_reads_and_whoever_has_it_writes() {
    let world = World::with_one_token("secret");
    for (method, route, address, body, code) in CALLS {
        let writes = need(method, route).writes();
        let without = world.ask(method, address, "", body).await;
        let wrong = world.ask(method, address, "wrong", body).await;
        if writes {
            assert_eq!(
                (without.status.as_u16(), without.error().as_str()),
                (401, "authorization required"),
                "{address}"
            );
            assert_eq!(
                (wrong.status.as_u16(), wrong.error().as_str()),
                (401, "invalid token"),
                "{address}"
            );
        } else {
            assert_ne!(without.status, 401, "{address}");
        }
        let right = world.ask(method, address, "secret", body).await;
        assert_ne!(right.status, 401, "{method} {address}");
        if writes && !route.contains("plan") {
            assert_eq!(right.status.as_u16(), *code, "{method} {address}: {right:?}");
        }
    }
    assert!(
        world.writes().iter().all(|(_, _, who, _)| who == "operator"),
        "{:?}",
        world.writes()
    );
}

#[tokio::test]
async fn with_no_mode_at_all_the_documented_curl_works() {
    let world = World::open();
    let answered = world.ask("POST", "/api/v1/tests/wiki/trigger", "", "").await;
    assert_eq!(
        (answered.status.as_u16(), answered.json()["message"].as_str()),
        (200, Some("test triggered"))
    );
    let plan = world.ask("GET", "/api/v1/plan/blog", "", "").await;
    assert_eq!(
        plan.status, 403,
        "the operator's account asks Velero for its own runs only"
    );
    assert!(plan.error().contains("kymaros plan"));
}

#[tokio::test]
async fn pages_of_others_change_nothing() {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;
    let foreign = Request::post("/api/v1/tests/wiki/trigger")
        .header("host", "kymaros:8080")
        .header("origin", "https://evil.example")
        .body(Body::empty())
        .unwrap();
    let world = World::open();
    assert_eq!(world.router().oneshot(foreign).await.unwrap().status(), 403);
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let mut world = World::new();
    world.api.limits = Limits::new(std::num::NonZeroU32::MIN);
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(world.get("/api/v1/tests").await.status.as_u16());
    }
    assert_eq!(codes, [200, 200, 200, 200, 200, 429]);
}
