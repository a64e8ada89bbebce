//! Changes, as the API server is asked for them.

use serde_json::{Value, json};

use super::world::{World, labels};
use crate::fleet::sample::{read, store, stored};

#[tokio::test]
async fn each_change_is_made_once_with_the_rights_of_whoever_asks() {
    let base = "/apis/restore.kymaros.io/v1alpha1/namespaces/ops/restoretests";
    for (method, address, body, asked, path, sent) in [
        (
            "POST",
            "/api/v1/tests?namespace=ops",
            json!({ "name": "wiki", "namespaces": ["wiki"], "cron": "@daily" }),
            "POST",
            base.to_owned(),
            json!({ "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
                    "metadata": { "name": "wiki", "namespace": "ops" },
                    "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "wiki" }] },
                              "schedule": { "cron": "@daily" }, "sandbox": {} } }),
        ),
        (
            "PUT",
            "/api/v1/tests/blog",
            json!({ "cron": "0 4 * * *" }),
            "PATCH",
            format!("{base}/blog"),
            json!({ "metadata": { "resourceVersion": null }, "spec": { "schedule": { "cron": "0 4 * * *" } } }),
        ),
        (
            "PUT",
            "/api/v1/tests/blog",
            json!({ "namespaces": ["blog", "db"] }),
            "PATCH",
            format!("{base}/blog"),
            json!({ "metadata": { "resourceVersion": "7" },
                    "spec": { "backupSource": { "namespaces": [{ "name": "blog" }, { "name": "db" }] } } }),
        ),
        (
            "POST",
            "/api/v1/tests/wiki/trigger",
            Value::Null,
            "PATCH",
            format!("{base}/wiki"),
            json!({ "metadata": { "annotations": { "kymaros.io/trigger-now": "api" } } }),
        ),
    ] {
        let world = World::new();
        let answered = world.ask(method, address, "admin", &body.to_string()).await;
        assert!(answered.status.is_success(), "{method} {address}: {answered:?}");
        let wanted = (asked.to_owned(), path, "admin".to_owned(), sent);
        assert_eq!(world.writes(), [wanted], "{method} {address}");
    }
    let world = World::new();
    assert_eq!(
        world
            .ask("DELETE", "/api/v1/tests/blog", "admin", "")
            .await
            .status,
        204
    );
    let (method, path, who, _) = world.writes().remove(0);
    assert_eq!(
        (method.as_str(), path, who.as_str()),
        ("DELETE", format!("{base}/blog"), "admin")
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_nothing_is_said_and_the_rest_is_done() {
    let body = json!({ "name": "new", "namespaces": ["x"], "cron": "@daily", "alertOnExceed": true });
    let mut agreed = body.clone();
    agreed["maxRTO"] = json!("5m");
    for (body, is_said) in [(body, true), (agreed, false)] {
        let world = World::new();
        let answered = world
            .ask("POST", "/api/v1/tests?namespace=ops", "admin", &body.to_string())
            .await;
        assert_eq!(answered.status, 201, "{answered:?}");
        let line = answered.headers.get("kymaros-notice");
        let said = line.map(|line| line.to_str().unwrap().contains("maxRTO"));
        assert_eq!(said, is_said.then_some(true), "{answered:?}");
    }
    let world = World::new();
    let taken = json!({ "alertOnExceed": true, "maxRTO": null }).to_string();
    let answered = world.ask("PUT", "/api/v1/tests/blog", "admin", &taken).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(answered.headers.contains_key("kymaros-notice"), "{answered:?}");
}

#[tokio::test]
async fn a_new_test_goes_where_it_is_said_or_where_the_operator_is() {
    for (address, body, home) in [
        ("/api/v1/tests", json!({}), "kymaros-system"),
        ("/api/v1/tests?namespace=dev", json!({}), "dev"),
        ("/api/v1/tests", json!({ "namespace": "dev" }), "dev"),
    ] {
        let world = World::new();
        let mut whole = json!({ "name": "new", "namespaces": ["x"], "cron": "@daily" });
        whole
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        // Nothing brings it into the store, so this also shows that it is not waited for without end.
        tokio::time::pause();
        let answered = world.ask("POST", address, "admin", &whole.to_string()).await;
        tokio::time::resume();
        assert_eq!(answered.status, 201, "{answered:?}");
        assert_eq!(world.writes()[0].3["metadata"]["namespace"], home);
    }
}

#[tokio::test]
async fn mistakes_are_told_apart() {
    let create = |extra: Value| {
        let mut body = json!({ "name": "new", "namespaces": ["x"], "cron": "@daily" });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body.to_string()
    };
    let tests = "/api/v1/tests?namespace=ops";
    for (method, address, body, code, said) in [
        ("POST", tests, "{".to_owned(), 400, "invalid JSON: "),
        (
            "POST",
            tests,
            create(json!({ "name": "" })),
            400,
            "name is required",
        ),
        (
            "POST",
            tests,
            create(json!({ "namespaces": [] })),
            400,
            "at least one namespace is required",
        ),
        (
            "POST",
            tests,
            create(json!({ "provider": "kasten" })),
            400,
            "unsupported provider \"kasten\", available: velero",
        ),
        ("POST", tests, create(json!({ "ttl": "soon" })), 400, "ttl"),
        (
            "POST",
            tests,
            create(json!({ "corn": "x" })),
            400,
            "did you mean cron?",
        ),
        (
            "POST",
            tests,
            create(json!({ "namespace": "dev" })),
            400,
            "the address \"ops\"",
        ),
        (
            "POST",
            "/api/v1/tests",
            create(json!({ "namespace": "No_Name" })),
            400,
            "namespace",
        ),
        (
            "POST",
            tests,
            create(json!({ "name": "exists" })),
            409,
            "already exists",
        ),
        (
            "POST",
            tests,
            create(json!({ "name": "refused" })),
            422,
            "spec.schedule.cron: never",
        ),
    ] {
        says(method, address, &body, code, said).await;
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    says("POST", tests, &large, 413, "1 MiB").await;
}

async fn says(method: &str, address: &str, body: &str, code: u16, said: &str) {
    let answered = World::new().ask(method, address, "admin", body).await;
    assert_eq!(
        answered.status.as_u16(),
        code,
        "{method} {address} {body}: {answered:?}"
    );
    assert!(
        answered.error().contains(said),
        "{method} {address}: {}",
        answered.error()
    );
}

#[tokio::test]
async fn what_is_not_there_or_runs_or_cannot_change_is_told_apart() {
    let blog = "/api/v1/tests/blog";
    for (method, address, body, code, said) in [
        (
            "PUT",
            blog,
            json!({ "name": "other" }).to_string(),
            400,
            "cannot be changed",
        ),
        (
            "PUT",
            blog,
            json!({ "namespace": "dev" }).to_string(),
            400,
            "cannot be changed",
        ),
        (
            "PUT",
            "/api/v1/tests/nothing",
            "{}".to_owned(),
            404,
            "test not found",
        ),
        (
            "DELETE",
            "/api/v1/tests/nothing",
            String::new(),
            404,
            "test not found",
        ),
        (
            "POST",
            "/api/v1/tests/nothing/trigger",
            String::new(),
            404,
            "test not found",
        ),
        (
            "POST",
            "/api/v1/tests/blog/trigger",
            String::new(),
            409,
            "run blog-5 of this test goes on",
        ),
    ] {
        says(method, address, &body, code, said).await;
    }
}

#[tokio::test]
async fn orphans_are_removed_as_whoever_asks() {
    let world = World::new();
    let answered = world
        .ask("POST", "/api/v1/config/sandbox/cleanup", "admin", "")
        .await;
    assert_eq!(answered.json(), json!({ "deleted": 1 }));
    let (method, path, who, sent) = world.writes().remove(0);
    assert_eq!(
        (method.as_str(), path.as_str(), who.as_str()),
        ("DELETE", "/api/v1/namespaces/rp-test-1", "admin")
    );
    assert_eq!(
        sent["preconditions"],
        json!({ "uid": "u", "resourceVersion": "1" })
    );
}

#[tokio::test]
async fn a_run_that_memory_does_not_know_yet_keeps_its_sandbox() {
    let mut world = World::new();
    let sandbox =
        |name: &str, run: &str| read(json!({ "metadata": { "name": name, "labels": labels(run) } }));
    world.api.fleet.namespaces = store([sandbox("rp-test-new", "new"), sandbox("rp-test-1", "gone")]);
    // As right after a start, when the first list has not come yet.
    world.api.fleet.reports = stored([]);
    let cleanup = "/api/v1/config/sandbox/cleanup";
    let answered = world.ask("POST", cleanup, "admin", "").await;
    assert_eq!(answered.json(), json!({ "deleted": 1 }));
    let deleted: Vec<String> = world.writes().into_iter().map(|(_, path, ..)| path).collect();
    assert_eq!(deleted, ["/api/v1/namespaces/rp-test-1"]);
    let asked = world.asked.lock().unwrap().clone();
    let mut reports = asked
        .iter()
        .filter(|(_, path, ..)| path.contains("restorereports"));
    assert!(
        reports.all(|(_, _, who, _)| who == "operator"),
        "who may delete namespaces may not read reports: {asked:?}"
    );
    let elsewhere = format!("{cleanup}?namespace=dev");
    let answered = world.ask("POST", &elsewhere, "admin", "").await;
    assert_eq!(answered.json(), json!({ "deleted": 0 }));
}
