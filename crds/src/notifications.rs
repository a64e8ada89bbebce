//! Raw types of `RestoreTest.spec.notifications`, and of what became of them in `RestoreReport.status.notifications`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{lenient, schema};

/// Who is told of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationsSpec {
    /// Told when a run does not pass, a check of it failed, it is worse than the run before, or it missed its time; with
    /// `sla.alertOnExceed` also when recovery took too long.
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

    /// Name of a Secret in the test's namespace; its key `url`, else `webhook-url`, holds the address. When not set, the
    /// operator's own receiver of this type is told.
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

/// One message to one receiver: whether it was told, and of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationStatus {
    /// Names the message; a receiver that gets it twice knows it by this, in the header `X-Kymaros-Delivery`.
    pub id: String,
    /// What is told.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub subject: Option<NotificationSubject>,
    /// Who is told, such as `slack by Secret ops/slack`.
    pub receiver: String,
    /// What became of it.
    #[serde(
        default,
        deserialize_with = "lenient::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<NotificationState>,
    /// How often it was sent.
    #[serde(default)]
    pub attempts: i32,
    /// When it is sent next, unless the one that is under way succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<MicroTime>,
    /// When the receiver took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<MicroTime>,
    /// Why it could not be told, and what to do about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NotificationSubject {
    /// The run and its verdict.
    Verdict,
    /// The run did not begin when it was due.
    MissedSchedule,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NotificationState {
    /// It waits for its next attempt.
    Pending,
    /// It is being sent. One that stays so was sent by a process that ended, and is sent again.
    Sending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}
