//! Live progress.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo, http::Request};
use http_body_util::BodyExt;
use kube::runtime::watcher::Event;
use tower::ServiceExt;

use super::world::{Answered, World};
use crate::fleet::sample::report;

async fn next(body: &mut Body) -> String {
    let patience = std::time::Duration::from_secs(10);
    let frame = tokio::time::timeout(patience, body.frame())
        .await
        .expect("in time");
    let data = frame.expect("the stream goes on").unwrap().into_data().unwrap();
    String::from_utf8(data.to_vec()).unwrap()
}

#[tokio::test]
async fn whoever_listens_sees_what_runs_and_each_change_of_it() {
    let world = World::open();
    let request = Request::get("/api/v1/events?namespace=ops")
        .body(Body::empty())
        .unwrap();
    let response = world.router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = next(&mut body).await;
    assert!(
        first.starts_with("event: runs\n") && first.contains("\"report\":\"blog-5\""),
        "{first}"
    );
    let runs = &world.api.fleet.runs;
    runs.look(&Event::Apply(report("dev", "other", 1, "pass", Some(95))));
    runs.look(&Event::Apply(report("ops", "shop", 9, "pass", Some(95))));
    let changed = next(&mut body).await;
    assert!(
        changed.starts_with("event: run\n") && changed.contains("\"report\":\"shop-9\""),
        "{changed}"
    );
    runs.look(&Event::Delete(report("dev", "other", 1, "pass", Some(95))));
    runs.look(&Event::Delete(report("ops", "shop", 9, "pass", Some(95))));
    let gone = next(&mut body).await;
    assert!(
        gone.starts_with("event: gone\n") && gone.contains("shop-9"),
        "{gone}"
    );
    world.api.stop.cancel();
    let patience = std::time::Duration::from_secs(10);
    let end = tokio::time::timeout(patience, body.frame())
        .await
        .expect("in time");
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn whoever_is_far_behind_sees_everything_again() {
    let world = World::open();
    let request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
    let mut body = world.router().oneshot(request).await.unwrap().into_body();
    assert!(next(&mut body).await.starts_with("event: runs\n"));
    for day in 0..300 {
        let report = report("ops", "many", day, "pass", Some(95));
        world.api.fleet.runs.look(&Event::Apply(report));
    }
    let again = next(&mut body).await;
    assert!(
        again.starts_with("event: runs\n") && again.contains("blog-5"),
        "{again}"
    );
}

#[tokio::test]
async fn an_account_has_its_share_of_streams_whatever_its_tokens_and_others_have_theirs() {
    let world = World::new();
    let listen = async |token: &str| {
        let request =
            Request::get("/api/v1/events?namespace=ops").header("authorization", format!("Bearer {token}"));
        world
            .router()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    };
    let mut open = Vec::new();
    for number in 0..16 {
        open.push(listen(&format!("dev#{number}")).await);
    }
    assert!(open.iter().all(|response| response.status() == 200));
    let refused = Answered::of(listen("dev").await).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert!(refused.error().contains("16 live streams"), "{}", refused.error());
    assert_eq!(listen("admin").await.status(), 200, "others go on");
    open.pop();
    assert_eq!(listen("dev").await.status(), 200, "a place was left");
}

#[tokio::test]
async fn where_nobody_has_an_account_an_address_has_its_share_of_streams() {
    let world = World::open();
    let listen = async |address: [u8; 4]| {
        let mut request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
        let from = SocketAddr::from((address, 9));
        request.extensions_mut().insert(ConnectInfo(from));
        world.router().oneshot(request).await.unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(listen([10, 0, 0, 1]).await);
    }
    assert!(open.iter().all(|response| response.status() == 200));
    assert_eq!(listen([10, 0, 0, 1]).await.status(), 429);
    assert_eq!(listen([10, 0, 0, 2]).await.status(), 200);
}
