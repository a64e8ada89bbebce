//! Tries a receiver of notifications: a message is really sent, once, and what came of it is said.

use axum::http::StatusCode;
use kymaros_crds::{NotificationType, domain::NotificationTarget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    problem::Problem,
    read::json,
    route::{Answering, Ask},
};
use crate::fleet::Scope;

/// A receiver, as a test would name it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
        let input: Self = serde_json::from_slice(body).map_err(|error| {
            let example = r#"write for example {"type": "slack", "webhookSecretRef": "slack"}"#;
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("invalid JSON: {error}; {example}"),
            )
        })?;
        let spec = kymaros_crds::NotificationTarget {
            type_: input.type_,
            channel: input.channel,
            webhook_secret_ref: input.webhook_secret_ref,
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
