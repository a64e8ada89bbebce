//! The way in: one route a decision, over whatever listener the caller has.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kube::core::{DynamicObject, admission::AdmissionReview};
use tokio::time::{Instant, timeout_at};

use crate::{
    answer::{Answer, Denial, respond},
    contain::contain,
    default::{as_written, default},
    facts::Facts,
    fence::fence,
    guard::guard,
    neutralise::neutralise,
    observe::{Observe, Outcome, Webhook},
    request::Request,
    validate::{Kind, validate},
};

/// The API server sends the object, the old object and what is around them; each is bounded by etcd's 1.5 MiB and
/// grows when it is written as JSON.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// How long an answer waits for a watch to bring what is missing; below any `timeoutSeconds`.
const PATIENCE: Duration = Duration::from_millis(900);

/// Validation of what people write.
fn validated(request: &Request, facts: &dyn Facts) -> Answer {
    let kind = match request.kind.kind.as_str() {
        "RestoreTest" => Kind::RestoreTest,
        "HealthCheckPolicy" => Kind::HealthCheckPolicy,
        _ => return Answer::allow(),
    };
    let json = |object: &DynamicObject| serde_json::to_value(object).unwrap_or_default();
    let Some(object) = request.object.as_ref().map(json) else {
        return Answer::allow();
    };
    let old = request.old_object.as_ref().map(json);
    let verdict = validate(kind, &object, old.as_ref(), facts.known());
    if verdict.errors.is_empty() {
        Answer::Allow(verdict.warnings.iter().map(ToString::to_string).collect())
    } else {
        Answer::Deny(Denial::invalid(verdict.errors))
    }
}

/// Defaults for what people leave open. What is wrong is refused here already: the API server holds an object against its
/// schema between the two webhooks, and would answer with the few errors that a schema can tell.
fn defaulted(request: &Request, facts: &dyn Facts) -> Answer {
    match validated(&as_written(request, facts.defaults()), facts) {
        refused @ Answer::Deny(_) => refused,
        _ if request.kind.kind == "RestoreTest" => default(request, facts.defaults()),
        _ => Answer::allow(),
    }
}

/// One decision.
type Decide = fn(&Request, &dyn Facts) -> Answer;

const fn decision(webhook: Webhook) -> Decide {
    match webhook {
        Webhook::Default => defaulted,
        Webhook::Validate => validated,
        Webhook::Guard => guard,
        Webhook::Contain => contain,
        Webhook::Fence => fence,
        Webhook::Neutralise => neutralise,
    }
}

#[derive(Clone)]
struct Served {
    facts: Arc<dyn Facts>,
    observer: Arc<dyn Observe>,
}

/// All webhooks; the observer is told of every answer.
pub fn router(facts: Arc<dyn Facts>, observer: Arc<dyn Observe>) -> Router {
    Webhook::ALL
        .into_iter()
        .fold(Router::new(), |router, webhook| {
            let route =
                move |State(served): State<Served>, headers, body| serve(webhook, served, headers, body);
            router.route(&format!("/{}", webhook.as_str()), post(route))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Served { facts, observer })
}

async fn serve(webhook: Webhook, served: Served, headers: HeaderMap, body: Bytes) -> Response {
    let begun = std::time::Instant::now();
    let (outcome, response) = answer(decision(webhook), served.facts.as_ref(), &headers, &body).await;
    served.observer.answered(webhook, outcome, begun.elapsed());
    response
}

async fn answer(decide: Decide, facts: &dyn Facts, headers: &HeaderMap, body: &Bytes) -> (Outcome, Response) {
    let request = match read(headers, body) {
        Ok(request) => request,
        Err(refusal) => return (Outcome::Unreadable, refusal.into_response()),
    };
    let answer = decided(decide, &request, facts).await;
    if let Answer::Deny(denial) | Answer::DenyUnlessKnownSoon(denial) = &answer {
        tracing::info!(
            user = crate::request::username(&request),
            resource = crate::request::described(&request),
            name = crate::request::name(&request),
            namespace = request.namespace,
            dry_run = request.dry_run,
            why = denial.message(),
            "refused"
        );
    }
    let outcome = Outcome::of(&answer);
    let review = respond(&request, answer).into_review();
    (outcome, axum::Json(review).into_response())
}

/// The answer to what is no request of admission.
type Unreadable = (StatusCode, String);

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Unreadable> {
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/json"));
    if !json {
        return Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "an AdmissionReview comes as application/json",
        ));
    }
    let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body).map_err(|error| {
        refuse(
            StatusCode::BAD_REQUEST,
            &format!("not an AdmissionReview: {error}"),
        )
    })?;
    if review.types.api_version != "admission.k8s.io/v1" || review.types.kind != "AdmissionReview" {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "only an AdmissionReview of admission.k8s.io/v1 is understood",
        ));
    }
    review
        .try_into()
        .map_err(|_| refuse(StatusCode::BAD_REQUEST, "an AdmissionReview without a request"))
}

/// Decides, and, as long as something is missing that a watch may bring, decides again when it changes.
async fn decided(decide: Decide, request: &Request, facts: &dyn Facts) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    let mut changes = facts.changes();
    loop {
        changes.mark_unchanged();
        let answer = decide(request, facts);
        if !matches!(answer, Answer::DenyUnlessKnownSoon(_)) {
            return answer;
        }
        if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
            return answer;
        }
    }
}

fn refuse(code: StatusCode, why: &str) -> Unreadable {
    (code, format!("{why}\n"))
}

#[cfg(test)]
mod tests {
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
        struct Told(std::sync::Mutex<Vec<(Webhook, Outcome)>>);
        impl Observe for Told {
            fn answered(&self, webhook: Webhook, outcome: Outcome, _: Duration) {
                self.0.lock().unwrap().push((webhook, outcome));
            }
        }
        let told = Arc::new(Told::default());
        let app = router(Arc::new(World::new()), told.clone());
        let refused = Asked::by_operator("UPDATE", "nodes").named("n").json();
        let fine = Asked::new("sre", "CREATE", "pods").json();
        let unknown = Asked::by_operator("CREATE", "pods").within("rp-nobody").json();
        for (route, body) in [
            ("guard", review(&refused)),
            ("contain", review(&fine)),
            ("guard", review(&unknown)),
            ("validate", b"{".to_vec()),
        ] {
            let request = HttpRequest::post(format!("/{route}")).header(CONTENT_TYPE, "application/json");
            app.clone()
                .oneshot(request.body(Body::from(body)).unwrap())
                .await
                .unwrap();
        }
        let expected = [
            (Webhook::Guard, Outcome::Forbidden),
            (Webhook::Contain, Outcome::Allowed),
            (Webhook::Guard, Outcome::Unknown),
            (Webhook::Validate, Outcome::Unreadable),
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
        let denial = crate::answer::Denial::forbidden("not yet", "wait");
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
            Answer::DenyUnlessKnownSoon(crate::answer::Denial::forbidden("not yet", "wait"))
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
}
