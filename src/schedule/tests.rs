//! The controller against an API server that knows more than its stores.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::{
    Client, Resource,
    client::Body,
    runtime::{controller::Action, events::Reporter, reflector},
};
use kymaros_crds::{RestoreReport, RestoreTest, RunPhase, names};
use kymaros_webhooks::default::Defaults;
use serde_json::json;

use super::{ScheduleContext, controller::reconcile};
use crate::{
    fleet::{
        RunLog,
        sample::{report, stored, test},
    },
    telemetry::events::Events,
};

/// A report of a run that goes on, as the store has it.
fn going_on(of: &RestoreTest) -> RestoreReport {
    let mut going_on = report("ops", "shop", 1, "", None);
    going_on.metadata.owner_references = of.controller_owner_ref(&()).map(|owner| vec![owner]);
    going_on
}

fn triggered() -> RestoreTest {
    let mut triggered = test("ops", "shop");
    let trigger = (names::TRIGGER_NOW_ANNOTATION.to_owned(), "now".to_owned());
    triggered.metadata.annotations = Some([trigger].into());
    triggered
}

/// What the API server has: the test, and one report or none.
#[derive(Clone)]
struct Live {
    test: RestoreTest,
    report: Option<RestoreReport>,
}

/// An API server. What is made or replaced there comes back as it is.
fn server(live: Live, written: Arc<Mutex<BTreeSet<String>>>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (live, written) = (live.clone(), written.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (code, answer) = if head.method == Method::GET {
                let gone =
                    json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 });
                if head.uri.path().ends_with("/restoretests/shop") {
                    (200, json!(live.test))
                } else {
                    assert!(
                        head.uri.path().ends_with("/restorereports/shop-1"),
                        "{}",
                        head.uri
                    );
                    live.report.map_or((404, gone), |live| (200, json!(live)))
                }
            } else {
                let kind = head.uri.path().rsplit('/').find(|part| *part != "shop");
                let what = format!("{} {}", head.method, kind.unwrap_or_default());
                written.lock().unwrap().insert(what);
                let answer = if head.method == Method::PATCH {
                    json!({ "metadata": { "name": "shop" } })
                } else {
                    serde_json::from_slice(&body).unwrap()
                };
                (200, answer)
            };
            let body = Body::from(serde_json::to_vec(&answer).unwrap());
            Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

/// What is written for a test whose run goes on in the store, and when it is looked at again.
async fn told(live: Live) -> (BTreeSet<String>, Action) {
    let test = triggered();
    let written = Arc::default();
    let client = server(live, Arc::clone(&written));
    let reporter = Reporter {
        controller: "kymaros".to_owned(),
        instance: None,
    };
    let context = ScheduleContext {
        events: Arc::new(Events::new(client.clone(), reporter)),
        client,
        reports: stored([going_on(&test)]),
        log: RunLog::of_list(vec![going_on(&test)]),
        policies: reflector::store().0,
        defaults: Defaults::default(),
    };
    let action = reconcile(Arc::new(test), Arc::new(context)).await.unwrap();
    let written = written.lock().unwrap().clone();
    (written, action)
}

fn live(test: RestoreTest, report: Option<RestoreReport>) -> Live {
    Live { test, report }
}

#[tokio::test]
async fn a_trigger_is_refused_only_by_a_run_that_still_goes_on() {
    let (written, _) = told(live(triggered(), Some(going_on(&triggered())))).await;
    let (refused, taken_off) = ("POST events".to_owned(), "PATCH restoretests".to_owned());
    assert!(
        written.contains(&refused) && written.contains(&taken_off),
        "{written:?}"
    );
    let mut over = going_on(&triggered());
    over.status.as_mut().unwrap().phase = Some(RunPhase::Completed);
    for report in [Some(over), None] {
        let (written, action) = told(live(triggered(), report)).await;
        assert!(
            !written.contains(&refused) && !written.contains(&taken_off),
            "{written:?}"
        );
        assert_eq!(action, Action::requeue(Duration::from_secs(1)));
    }
}

#[tokio::test]
async fn a_trigger_that_was_answered_is_not_refused_by_its_own_run() {
    let (written, _) = told(live(test("ops", "shop"), Some(going_on(&triggered())))).await;
    for refusal in ["POST events", "PATCH restoretests"] {
        assert!(!written.contains(refusal), "{written:?}");
    }
}
