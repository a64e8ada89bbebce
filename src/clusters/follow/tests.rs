use std::{
    collections::HashSet,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::fleet::{Contact, Reached, RunLog};

/// How long a watch lasts until it is told that it missed something.
const WATCHED: Duration = Duration::from_mins(1);

/// How lists come that are asked for again.
#[derive(Clone, Copy)]
enum Anew {
    AtOnce,
    Never,
    /// A page every two minutes, without an end.
    InPages,
}

/// A fake API server: it answers what is small at once, and so the first lists; after a minute it ends each watch with 410
/// Gone, so that lists are made anew.
fn fake(anew: Anew) -> Client {
    let listed = Arc::new(Mutex::new(HashSet::new()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let listed = listed.clone();
        async move {
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let has = |part: &str| query.split('&').any(|other| other == part);
            if query.contains("watch=") {
                tokio::time::sleep(WATCHED).await;
                let gone = json!({ "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
                    "message": "too old resource version" });
                return Ok(answer(&json!({ "type": "ERROR", "object": gone })));
            }
            let is_anew = !has("limit=1") && !listed.lock().unwrap().insert(path);
            let has_more = match anew {
                Anew::Never if is_anew => return pending().await,
                Anew::InPages if is_anew => {
                    tokio::time::sleep(Duration::from_mins(2)).await;
                    true
                }
                _ => false,
            };
            let next = has_more.then_some("more");
            // A test as well as a report.
            let spec = json!({
                "testRef": "shop", "backupSource": { "provider": "velero", "namespaces": [] }, "schedule": { "cron": "" },
            });
            let item = json!({ "metadata": { "name": "shop", "namespace": "ops" }, "spec": spec });
            let list = json!({ "metadata": { "resourceVersion": "1", "continue": next }, "items": [item] });
            Ok::<_, Infallible>(answer(&list))
        }
    });
    Client::new(service, "default")
}

fn answer(what: &Value) -> Response<Body> {
    Response::new(Body::from(serde_json::to_vec(what).unwrap()))
}

/// How a cluster is reached two and ten minutes after a fake API server was asked first: when its first watches have ended and
/// no list that is made anew was given up yet, and much later.
async fn looked_at(anew: Anew) -> [Contact; 2] {
    let (mut known, remote) = Known::new("eu".parse().unwrap(), RunLog::default());
    let client = fake(anew);
    let mut attempts = pin!(attempts(&client, &mut known));
    assert!(timeout(WATCHED * 2, &mut attempts).await.is_err());
    let early = remote.contact.borrow().clone();
    assert!(timeout(WATCHED * 8, &mut attempts).await.is_err());
    [early, remote.contact.borrow().clone()]
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_made_anew_and_does_not_come_is_noticed_and_what_is_known_grows_old() {
    for (anew, lost) in [(Anew::Never, Lost::Stalled), (Anew::InPages, Lost::Slow)] {
        let [early, late] = looked_at(anew).await;
        assert!(matches!(early.reached, Reached::Since(_)), "{lost}: {early:?}");
        let Reached::Away { why, .. } = late.reached else {
            panic!("{lost}: {late:?}")
        };
        assert_eq!(why, lost.to_string());
        assert_eq!(late.known, early.known, "{lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_made_anew_and_comes_is_nothing_to_tell_of() {
    let [early, late] = looked_at(Anew::AtOnce).await;
    assert!(matches!(early.reached, Reached::Since(_)), "{early:?}");
    assert_eq!(late.reached, early.reached, "it was never away");
    assert!(late.known > early.known, "{late:?}");
}
