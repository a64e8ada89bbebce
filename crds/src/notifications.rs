//! Raw types of `RestoreTest.spec.notifications`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Who is told of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationsSpec {
    /// Told when a run does not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub on_failure: Vec<NotificationTarget>,

    /// Told when a run passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub on_success: Vec<NotificationTarget>,
}

/// One receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationTarget {
    /// How it is told.
    #[serde(rename = "type")]
    pub type_: NotificationType,

    /// Slack channel, when the webhook leaves that open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub channel: Option<String>,

    /// Name of a Secret in the test's namespace; its key `url`, else `webhook-url`, holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub webhook_secret_ref: Option<String>,
}

/// How a receiver is told: `slack` by a Slack incoming webhook, `webhook` by a JSON document that is posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NotificationType {
    /// A Slack incoming webhook.
    Slack,
    /// A JSON document by POST.
    #[default]
    Webhook,
}
