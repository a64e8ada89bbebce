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
    rule::Rule,
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
    let answered = answer(decision(webhook), served.facts.as_ref(), &headers, &body).await;
    let (outcome, refused_by) = (answered.outcome, answered.refused_by);
    served
        .observer
        .answered(webhook, outcome, refused_by, begun.elapsed());
    answered.response
}

/// An answer, and what is told of it.
struct Answered {
    outcome: Outcome,
    refused_by: Option<Rule>,
    response: Response,
}

async fn answer(decide: Decide, facts: &dyn Facts, headers: &HeaderMap, body: &Bytes) -> Answered {
    let request = match read(headers, body) {
        Ok(request) => request,
        Err(refusal) => {
            return Answered {
                outcome: Outcome::Unreadable,
                refused_by: None,
                response: refusal.into_response(),
            };
        }
    };
    let answer = decided(decide, &request, facts).await;
    let mut refused_by = None;
    if let Answer::Deny(denial) | Answer::DenyUnlessKnownSoon(denial) = &answer {
        refused_by = Some(denial.rule());
        tracing::info!(
            user = crate::request::username(&request),
            resource = crate::request::described(&request),
            name = crate::request::name(&request),
            namespace = request.namespace,
            dry_run = request.dry_run,
            rule = denial.rule().as_str(),
            why = denial.message(),
            "refused"
        );
    }
    let outcome = Outcome::of(&answer);
    let review = respond(&request, answer).into_review();
    Answered {
        outcome,
        refused_by,
        response: axum::Json(review).into_response(),
    }
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
mod tests;
