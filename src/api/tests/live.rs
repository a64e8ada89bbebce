//! Live progress.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use kube::runtime::watcher::Event;
use tower::ServiceExt;

use super::world::World;
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
async fn there_are_not_too_many_streams() {
    let world = World::open();
    let mut open = Vec::new();
    let stream = || Request::get("/api/v1/events").body(Body::empty()).unwrap();
    for _ in 0..256 {
        open.push(world.router().oneshot(stream()).await.unwrap());
    }
    assert!(open.iter().all(|response| response.status() == 200));
    assert_eq!(world.router().oneshot(stream()).await.unwrap().status(), 503);
    open.pop();
    assert_eq!(
        world.router().oneshot(stream()).await.unwrap().status(),
        200,
        "a place was left"
    );
}
