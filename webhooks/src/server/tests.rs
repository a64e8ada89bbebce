use axum::{body::Body, http::Request as HttpRequest};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::sample::{Asked, World};

async fn ask(route: &str, content_type: &str, body: Vec<u8>) -> (StatusCode, Value) {
    let request = HttpRequest::post(format!("/{route}"))
        .header(CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap();
    let app = router(Arc::new(World::new()), Arc::new(()));
    let response = app.oneshot(request).await.unwrap();
    let code = response.status();
    let body = axum::body::to_bytes(response.into_body(), MAX_BODY)
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    (code, serde_json::from_slice(&body).unwrap_or(Value::String(text)))
}

fn review(request: &Value) -> Vec<u8> {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn a_refusal_carries_code_reason_and_the_uid_of_the_request() {
    let asked = Asked::by_operator("UPDATE", "nodes").named("n").json();
    let (code, body) = ask("guard", "application/json", review(&asked)).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(
        (&body["apiVersion"], &body["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    let response = &body["response"];
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u"), &json!(false))
    );
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
}

#[tokio::test]
async fn every_answer_is_told_of() {
    #[derive(Default)]
    struct Told(std::sync::Mutex<Vec<(Webhook, Outcome, Option<&'static str>)>>);
    impl Observe for Told {
        fn answered(&self, webhook: Webhook, outcome: Outcome, refused_by: Option<Rule>, _: Duration) {
            let rule = refused_by.map(Rule::as_str);
            self.0.lock().unwrap().push((webhook, outcome, rule));
        }
    }
    let told = Arc::new(Told::default());
    let app = router(Arc::new(World::new()), told.clone());
    let refused = Asked::by_operator("UPDATE", "nodes").named("n").json();
    let fine = Asked::new("sre", "CREATE", "pods").json();
    let unknown = Asked::by_operator("CREATE", "pods").within("rp-nobody").json();
    let mut wrong = Asked::new("sre", "CREATE", "restoretests")
        .object(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": "t", "namespace": "default" },
            "spec": { "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
                      "schedule": { "cron": "never" } },
        }))
        .json();
    wrong["kind"]["kind"] = json!("RestoreTest");
    for (route, body) in [
        ("guard", review(&refused)),
        ("contain", review(&fine)),
        ("guard", review(&unknown)),
        ("validate", b"{".to_vec()),
        ("validate", review(&wrong)),
    ] {
        let request = HttpRequest::post(format!("/{route}")).header(CONTENT_TYPE, "application/json");
        app.clone()
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
    }
    let expected = [
        (Webhook::Guard, Outcome::Forbidden, Some("ClusterWide")),
        (Webhook::Contain, Outcome::Allowed, None),
        (Webhook::Guard, Outcome::Unknown, Some("OutsideSandbox")),
        (Webhook::Validate, Outcome::Unreadable, None),
        (Webhook::Validate, Outcome::Invalid, Some("schedule")),
    ];
    assert_eq!(*told.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_is_not_a_review_gets_a_proper_answer() {
    let asked = Asked::by_operator("UPDATE", "nodes").json();
    let old =
        json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": asked });
    let empty = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview" });
    for (content_type, body, code) in [
        ("text/plain", review(&asked), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/json", b"{".to_vec(), StatusCode::BAD_REQUEST),
        ("application/json", b"[1,2]".to_vec(), StatusCode::BAD_REQUEST),
        (
            "application/json",
            old.to_string().into_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "application/json",
            empty.to_string().into_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "application/json",
            review(&json!({ "uid": 7 })),
            StatusCode::BAD_REQUEST,
        ),
        (
            "application/json",
            vec![b' '; MAX_BODY + 1],
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        for route in Webhook::ALL.map(Webhook::as_str) {
            let (got, text) = ask(route, content_type, body.clone()).await;
            assert_eq!(got, code, "{route}: {text}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_whole_before_the_schema_tells_its_part() {
    let answer = |spec: Value| {
        let object = json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": "t", "namespace": "default" }, "spec": spec,
        });
        let mut asked = Asked::new("someone", "CREATE", "restoretests")
            .object(object)
            .request();
        asked.kind.kind = "RestoreTest".to_owned();
        defaulted(&asked, &World::new())
    };
    let spec = json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
        "schedule": { "cron": "0 3 * * *" },
    });
    assert!(matches!(answer(spec.clone()), Answer::Patch(_)));
    let mut wrong = spec;
    wrong["backupSource"]["namespaces"][0]["sandboxName"] = json!("kube-public");
    wrong["schedule"]["timezone"] = json!("Europe/Atlantis");
    let said = format!("{:?}", answer(wrong));
    for field in ["namespaces[0].sandboxName", "spec.schedule.timezone"] {
        assert!(said.contains(field), "{said}");
    }
}

#[test]
fn what_was_filled_in_is_held_against_nobody() {
    let test = |spec: &Value| {
        json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
            "metadata": { "name": "t", "namespace": "default" }, "spec": spec,
        })
    };
    let mut stored = json!({
        "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop" }] },
        "schedule": { "cron": "0 3 * * *" },
    });
    World::new().defaults().fill(&mut stored);
    let answer = |timeout: &str| {
        let mut spec = stored.clone();
        spec["timeout"] = json!(timeout);
        let asked = Asked::new("someone", "UPDATE", "restoretests");
        let mut asked = asked.old(test(&stored)).object(test(&spec)).request();
        asked.kind.kind = "RestoreTest".to_owned();
        defaulted(&asked, &World::new())
    };
    assert!(matches!(answer("2h"), Answer::Patch(_)));
    assert!(matches!(answer("often"), Answer::Deny(_)));
}

#[tokio::test]
async fn what_a_watch_brings_in_time_is_allowed() {
    let world = Arc::new(World::new());
    let facts: Arc<dyn Facts> = world.clone();
    let asked = Asked::by_operator("CREATE", "pods")
        .within("rp-just-made")
        .request();
    let answer = tokio::spawn(async move { decided(late, &asked, facts.as_ref()).await });
    while world.changes().has_changed().is_ok() && !answer.is_finished() {
        world.changed();
        tokio::task::yield_now().await;
    }
    assert!(answer.await.unwrap().is_allowed());
}

#[test]
fn what_is_not_known_yet_may_be_tried_again() {
    let asked = Asked::by_operator("CREATE", "pods").request();
    let denial = crate::answer::Denial::forbidden(Rule::Namespaces, "not yet", "wait");
    let again = |answer| {
        let review = serde_json::to_value(respond(&asked, answer)).unwrap();
        review["status"]["details"]["retryAfterSeconds"].clone()
    };
    assert_eq!(again(Answer::DenyUnlessKnownSoon(denial.clone())), json!(1));
    assert_eq!(again(Answer::Deny(denial)), Value::Null);
}

/// Knows only at the third look.
fn late(_: &Request, _: &dyn Facts) -> Answer {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    if LOOKS.fetch_add(1, Ordering::SeqCst) < 2 {
        Answer::DenyUnlessKnownSoon(crate::answer::Denial::forbidden(
            Rule::Namespaces,
            "not yet",
            "wait",
        ))
    } else {
        Answer::allow()
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9*./ -]{0,12}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "metadata",
        "labels",
        "annotations",
        "finalizers",
        "spec",
        "template",
        "containers",
        "volumes",
        "ports",
        "namespaceMapping",
        "includedNamespaces",
        "schedule",
        "cron",
        "sandbox",
        "ttl",
        "claimRef",
        "namespace",
        "kymaros.io/run-uid",
        "kymaros.io/managed-by",
        "velero.io/restore-name",
        "deletionTimestamp",
        "name",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Whatever is asked, the answer is a review or a client error, and never a panic.
    #[test]
    fn any_object_gets_an_answer(object in any_json(), old in any_json(), resource in prop::sample::select(vec![
        "restoretests.restore.kymaros.io", "namespaces", "services", "pods", "restores.velero.io",
        "persistentvolumes", "cronjobs.batch", "deployments.apps", "podvolumerestores.velero.io",
    ]), operation in prop::sample::select(vec!["CREATE", "UPDATE", "DELETE", "CONNECT"])) {
        let asked = Asked::by_operator(operation, resource).within("rp-live").object(object).old(old).json();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        for route in Webhook::ALL.map(Webhook::as_str) {
            let (code, body) = runtime.block_on(ask(route, "application/json", review(&asked)));
            if code == StatusCode::OK {
                prop_assert!(body["response"]["allowed"].is_boolean());
            } else {
                prop_assert_eq!(code, StatusCode::BAD_REQUEST);
            }
        }
    }
}
