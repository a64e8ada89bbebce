//! Tries a receiver of notifications: a message is really sent, once, and what came of it is said.

use axum::http::StatusCode;
use kymaros_crds::{NotificationType, domain::NotificationTarget};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    input::{known, object, text},
    problem::Problem,
    read::json,
    route::{Answering, Ask},
};
use crate::fleet::Scope;

/// What is read of it.
const FIELDS: [&str; 3] = ["type", "channel", "webhookSecretRef"];

/// A receiver, as a test would name it; for the documentation.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
pub(super) struct ReceiverInput {
    /// How it is told.
    #[serde(rename = "type")]
    type_: NotificationType,
    /// Slack channel.
    #[serde(default)]
    channel: Option<String>,
    /// The Secret with the address; without it the operator's own receiver of this type.
    #[serde(default)]
    webhook_secret_ref: Option<String>,
}

/// Who was told.
#[derive(Serialize, JsonSchema)]
pub(super) struct Told {
    message: &'static str,
    receiver: String,
}

impl ReceiverInput {
    /// Reads a body.
    fn read(body: &[u8]) -> Result<NotificationTarget, Problem> {
        let map = object(body, r#"{"type": "slack", "webhookSecretRef": "slack"}"#)?;
        known(&map, || FIELDS.into_iter())?;
        let type_ = text(&map, "type")?;
        let type_ =
            type_.ok_or_else(|| Problem::field("type", "type is required: write slack or webhook"))?;
        let spec = kymaros_crds::NotificationTarget {
            type_: serde_json::from_value(Value::String(type_))
                .map_err(|error| Problem::field("type", format!("type: {error}")))?,
            channel: text(&map, "channel")?,
            webhook_secret_ref: text(&map, "webhookSecretRef")?,
        };
        NotificationTarget::parse(&spec).map_err(|error| {
            Problem::field("webhookSecretRef", format!("webhookSecretRef: {}", error.message))
        })
    }
}

/// As a test of the namespace in the query would; without one, of the operator's namespace.
pub(super) fn try_receiver(ask: Ask) -> Answering {
    Box::pin(async move {
        let target = ReceiverInput::read(&ask.body)?;
        let home = match &ask.view.scope {
            Scope::Namespace(namespace) => namespace,
            Scope::All => &ask.api.fleet.namespace,
        };
        let told = ask.api.notifier.send_test(home, &target).await;
        let receiver =
            told.map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        Ok(json(&Told {
            message: "test notification sent",
            receiver: receiver.to_string(),
        }))
    })
}
