//! Each mode, where it says no.

use kymaros_crds::domain::Tier;
use serde_json::json;

use super::{clusters, routes::CALLS, world::World};
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
async fn whoever_may_not_change_a_test_is_not_told_whether_or_where_it_is() {
    let world = World::new();
    let none = world.ask("DELETE", "/api/v1/tests/none", "nobody", "").await;
    assert_eq!(none.status, 403, "{none:?}");
    for (method, address, name, body) in [
        ("DELETE", "/api/v1/tests/shop", "shop", ""),
        ("DELETE", "/api/v1/tests/blog", "blog", ""),
        ("POST", "/api/v1/tests/blog/trigger", "blog", ""),
        ("PUT", "/api/v1/tests/blog", "blog", r#"{"namespace":"x"}"#),
    ] {
        let answered = world.ask(method, address, "nobody", body).await;
        let verb = if method == "DELETE" { "delete" } else { "patch" };
        let same = none.text.replace("delete ", &format!("{verb} "));
        assert_eq!(
            answered.text,
            same.replace("/none", &format!("/{name}")),
            "{method} {address}"
        );
    }
    assert_eq!(world.writes(), []);

    let sees = world.ask("DELETE", "/api/v1/tests/shop", "auditor", "").await;
    assert_eq!(
        (sees.status.as_u16(), &sees.json()["choices"]),
        (409, &json!(["dev", "ops"])),
        "who may read them is asked which"
    );
    let body = r#"{"namespace":"x"}"#;
    let refused = world.ask("PUT", "/api/v1/tests/blog", "auditor", body).await;
    assert_eq!(refused.status, 403);
    assert!(refused.error().contains("--namespace ops"), "{refused:?}");
    assert_eq!(world.writes(), []);

    let runs = world.ask("POST", "/api/v1/tests/blog/trigger", "dev", "").await;
    assert_eq!(runs.status, 409, "it is theirs to change: {runs:?}");
    world.ask("DELETE", "/api/v1/tests/shop", "dev", "").await;
    let (_, path, who, _) = world.writes().remove(0);
    assert!(
        path.ends_with("/namespaces/ops/restoretests/shop") && who == "dev",
        "{path}"
    );
    let none = world.ask("DELETE", "/api/v1/tests/none", "dev", "").await;
    assert_eq!(none.status, 403, "{none:?}");
}

#[tokio::test]
async fn an_answer_about_rights_is_not_asked_for_again_at_once() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.get("/api/v1/tests").await.status, 200);
    }
    let asked = world.asked.lock().unwrap().clone();
    let count = |of: &str| asked.iter().filter(|(_, path, ..)| path.ends_with(of)).count();
    assert_eq!((count("/tokenreviews"), count("/subjectaccessreviews")), (1, 2));
}

#[tokio::test]
async fn clusters_are_named_to_those_with_a_right_only() {
    let world = clusters::world();
    for (method, path, body) in [
        ("POST", "/api/v1/tests", "{}"),
        ("PUT", "/api/v1/tests/shop", "{}"),
        ("DELETE", "/api/v1/tests/shop", ""),
        ("POST", "/api/v1/tests/erp/trigger", ""),
        ("POST", "/api/v1/config/sandbox/cleanup", ""),
        ("GET", "/api/v1/plan/erp", ""),
        ("GET", "/api/v1/tests", ""),
        ("GET", "/api/v1/tests/erp", ""),
        ("GET", "/api/v1/reports/erp-1", ""),
        ("GET", "/api/v1/clusters", ""),
    ] {
        let ask = async |cluster: &str| {
            let address = format!("{path}?cluster={cluster}");
            world.ask(method, &address, "nobody", body).await
        };
        let (followed, unknown) = (ask("eu").await, ask("asia").await);
        assert_eq!(
            (
                followed.status,
                followed.text.replace("cluster eu", "cluster asia")
            ),
            (unknown.status, unknown.text),
            "{method} {path}"
        );
    }
    let asked = world.get("/api/v1/tests?cluster=asia").await;
    assert_eq!(asked.json()["choices"], json!(["local", "eu", "us"]));
}

#[tokio::test]
async fn what_tells_of_backups_takes_the_right_to_backups() {
    let world = World::with_tier(Tier::Enterprise);
    for file in ["compliance", "compliance.csv", "compliance.pdf"] {
        for (framework, code) in [("soc2", 200), ("dora", 200), ("iso27001", 403)] {
            let address = format!("/api/v1/{file}?framework={framework}");
            let answered = world.ask("GET", &address, "auditor", "").await;
            assert_eq!(answered.status.as_u16(), code, "{address}: {answered:?}");
            assert!(
                code == 200 || answered.error().contains("list backups.velero.io"),
                "{answered:?}"
            );
        }
        // Whoever sees the tests of a namespace sees what they restore.
        let address = format!("/api/v1/{file}?framework=iso27001&namespace=ops");
        let answered = world.ask("GET", &address, "auditor", "").await;
        assert_eq!(answered.status.as_u16(), 200, "{address}: {answered:?}");
    }
}

#[tokio::test]
async fn schedules_name_tests_to_those_who_may_list_these() {
    let world = World::new();
    let tests = async |address: &str, token: &str| {
        let answered = world.ask("GET", address, token, "").await;
        (
            answered.json()[0]["tests"].clone(),
            answered.headers.contains_key("kymaros-notice"),
        )
    };
    let schedules = "/api/v1/schedules";
    let all = json!(["dev/shop", "ops/blog", "ops/shop", "ops/wiki"]);
    assert_eq!(tests(schedules, "admin").await, (all, false));
    assert_eq!(tests(schedules, "velero").await, (json!([]), true));
    let of_dev = format!("{schedules}?namespace=dev");
    assert_eq!(tests(&of_dev, "admin").await, (json!(["dev/shop"]), false));
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
async fn where_nobody_is_known_a_page_of_others_does_not_come_by_a_name_of_its_own() {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::world::Answered;
    let ask = async |world: &World, method: &str, host: &str| {
        let request = Request::builder()
            .method(method)
            .uri("/api/v1/tests/wiki/trigger")
            .header("host", host)
            .header("origin", format!("http://{host}"));
        let request = request.body(Body::empty()).unwrap();
        Answered::of(world.router().oneshot(request).await.unwrap()).await
    };
    let world = World::open();
    let refused = ask(&world, "POST", "evil.example:8080").await;
    assert_eq!(refused.status, 421, "{refused:?}");
    assert!(refused.error().contains("api.hosts"), "{refused:?}");
    assert_eq!(refused.headers["x-content-type-options"], "nosniff");
    assert_eq!(world.writes(), []);
    for host in ["kymaros:8080", "localhost:8080"] {
        assert_eq!(ask(&world, "POST", host).await.status, 200, "{host}");
    }
    let by_rights = ask(&World::new(), "POST", "evil.example:8080").await;
    assert_eq!(
        by_rights.status, 401,
        "a token is no cookie of the name: {by_rights:?}"
    );
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

#[tokio::test]
async fn another_token_of_the_same_account_does_not_help() {
    let mut world = World::new();
    world.api.limits = Limits::new(std::num::NonZeroU32::MIN);
    let mut waits = false;
    // Fewer than strangers of one address may send.
    for number in 0..15 {
        let token = format!("dev#{number}");
        let answered = world.ask("GET", "/api/v1/tests?namespace=ops", &token, "").await;
        waits |= answered.status == 429;
    }
    assert!(waits);
    assert_eq!(world.get("/api/v1/tests").await.status, 200, "others go on");
}

#[tokio::test]
async fn the_cluster_is_asked_about_no_more_invented_tokens_than_an_address_may_send() {
    let mut world = World::new();
    world.api.limits = Limits::new(std::num::NonZeroU32::MIN);
    let (mut unknown, mut waits) = (0, 0);
    for number in 0..50 {
        let token = format!("invented-{number}");
        match world
            .ask("GET", "/api/v1/tests", &token, "")
            .await
            .status
            .as_u16()
        {
            401 => unknown += 1,
            429 => waits += 1,
            other => panic!("{other}"),
        }
    }
    let asked = world.asked.lock().unwrap();
    let reviews = asked
        .iter()
        .filter(|(_, path, ..)| path.ends_with("/tokenreviews"));
    assert_eq!(reviews.count(), unknown);
    assert!(waits > 0);
}
