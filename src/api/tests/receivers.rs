//! A message to try a receiver.

use std::sync::{Arc, Mutex};

use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use super::world::World;

/// A receiver on this machine; what it got, and its port.
async fn receiver() -> (Arc<Mutex<Vec<Value>>>, u16) {
    let got: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = got.clone();
    let take = move |axum::Json(message): axum::Json<Value>| {
        keep.lock().unwrap().push(message);
        std::future::ready(StatusCode::OK)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (got, port)
}

#[tokio::test]
async fn a_message_is_really_sent() {
    let (got, port) = receiver().await;
    let world = World::new();
    let body =
        json!({ "type": "slack", "channel": "#ops", "webhookSecretRef": format!("hook-{port}") }).to_string();
    let address = "/api/v1/config/notifications/test?namespace=ops";
    let answered = world.ask("POST", address, "admin", &body).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(answered.text.contains("test notification sent"), "{answered:?}");
    let got = got.lock().unwrap().clone();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0]["channel"], "#ops");

    let told = world.ask("POST", address, "dev", &body).await;
    assert_eq!(
        told.status, 200,
        "who may change tests there may try their receivers"
    );
    let elsewhere = "/api/v1/config/notifications/test?namespace=dev";
    assert_eq!(world.ask("POST", elsewhere, "dev", &body).await.status, 403);
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_without_the_address() {
    let world = World::new();
    let address = "/api/v1/config/notifications/test?namespace=ops";
    for (body, code, said) in [
        ("", 400, "webhookSecretRef"),
        (
            r#"{"type":"slack","webhookSecretRef":"https://hooks.example.com/secret"}"#,
            400,
            "is not the name of a Secret",
        ),
        (r#"{"type":"slack"}"#, 422, "notifications.slack.enabled"),
        (r#"{"type":"webhook","webhookSecretRef":"gone"}"#, 422, "gone"),
        (r#"{"type":"webhook","webhookSecretRef":"hook-1"}"#, 422, ""),
    ] {
        let answered = world.ask("POST", address, "admin", body).await;
        assert_eq!(answered.status.as_u16(), code, "{body}: {answered:?}");
        assert!(answered.error().contains(said), "{body}: {answered:?}");
        assert!(!answered.text.contains("127.0.0.1") && !answered.text.contains("hooks.example.com"));
    }
}

#[tokio::test]
async fn a_mistake_is_named_with_its_field() {
    let world = World::new();
    for (body, field, said) in [
        (r#"{"type":"pager"}"#, "type", "unknown variant `pager`"),
        (r#"{"type":1}"#, "type", "1 is not a text"),
        (r##"{"channel":"#ops"}"##, "type", "type is required"),
        (
            r#"{"type":"slack","url":"https://x"}"#,
            "url",
            "unknown field \"url\"",
        ),
        (
            r##"{"type":"slack","chanel":"#ops"}"##,
            "chanel",
            "did you mean channel?",
        ),
        (r#"{"type":"slack","channel":["a"]}"#, "channel", "not a text"),
        (
            r#"{"type":"webhook","webhookSecretRef":{}}"#,
            "webhookSecretRef",
            "not a text",
        ),
    ] {
        let address = "/api/v1/config/notifications/test?namespace=ops";
        let answered = world.ask("POST", address, "admin", body).await;
        assert_eq!(answered.status, 400, "{body}: {answered:?}");
        assert_eq!(answered.json()["field"], field, "{body}");
        assert!(answered.error().contains(said), "{body}: {answered:?}");
    }
}
