//! The operator's own receivers, and what may be reached, as the flags have it.

use std::sync::Arc;

use anyhow::ensure;
use jiff::Timestamp;
use kube::Client;

use crate::{
    notify::{Defaults, Notifier, NotifyContext, OwnReceiver, Reach, Sender},
    telemetry::events::Events,
};

/// Receivers of the operator's own.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Notifications")]
pub(crate) struct NotificationArgs {
    /// Tell Slack of failures of tests that say nothing of notifications
    #[arg(long = "notification-slack-enabled", env = "KYMAROS_NOTIFICATION_SLACK_ENABLED", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    slack_enabled: bool,
    /// Secret in the operator's namespace with Slack's address under the key url
    #[arg(
        long = "notification-slack-webhook-secret",
        env = "KYMAROS_NOTIFICATION_SLACK_WEBHOOK_SECRET",
        default_value = ""
    )]
    slack_webhook_secret: String,
    /// Channel, where a test does not say another
    #[arg(
        long = "notification-slack-default-channel",
        env = "KYMAROS_NOTIFICATION_SLACK_DEFAULT_CHANNEL",
        default_value = "#alerts"
    )]
    slack_default_channel: String,
    /// Tell a webhook of failures of tests that say nothing of notifications
    #[arg(long = "notification-webhook-enabled", env = "KYMAROS_NOTIFICATION_WEBHOOK_ENABLED", default_value_t = false, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    webhook_enabled: bool,
    /// Secret in the operator's namespace with the webhook's address under the key url
    #[arg(
        long = "notification-webhook-secret",
        env = "KYMAROS_NOTIFICATION_WEBHOOK_SECRET",
        default_value = ""
    )]
    webhook_secret: String,
    /// Also send to addresses without TLS
    #[arg(long = "notification-allow-http", env = "KYMAROS_NOTIFICATION_ALLOW_HTTP", default_value_t = false, action = clap::ArgAction::Set)]
    allow_http: bool,
    /// Name of this cluster in messages, for receivers of several
    #[arg(
        long = "notification-cluster-name",
        env = "KYMAROS_NOTIFICATION_CLUSTER_NAME",
        default_value = ""
    )]
    cluster_name: String,
}

impl NotificationArgs {
    /// The receivers, when each that is enabled has a Secret.
    ///
    /// # Errors
    /// The first that has none.
    pub(super) fn checked(&self, namespace: &str) -> anyhow::Result<Defaults> {
        let slack = own("slack", self.slack_enabled, &self.slack_webhook_secret)?;
        let channel = &self.slack_default_channel;
        Ok(Defaults {
            namespace: namespace.to_owned(),
            slack: slack.map(|secret| OwnReceiver {
                secret,
                channel: Some(channel.clone()).filter(|channel| !channel.is_empty()),
            }),
            webhook: own("webhook", self.webhook_enabled, &self.webhook_secret)?.map(|secret| OwnReceiver {
                secret,
                channel: None,
            }),
        })
    }

    /// What the controller of messages works with.
    pub(super) fn context(
        &self,
        client: &Client,
        events: Arc<Events>,
        receivers: Defaults,
    ) -> anyhow::Result<NotifyContext> {
        Ok(NotifyContext {
            client: client.clone(),
            notifier: Notifier::new(client.clone(), self.sender()?, receivers),
            events,
            clock: Arc::new(Timestamp::now),
        })
    }

    fn sender(&self) -> anyhow::Result<Sender> {
        let sender = Sender::new(Reach {
            http: self.allow_http,
            loopback: false,
        })?;
        Ok(match self.cluster_name.as_str() {
            "" => sender,
            name => sender.of_cluster(name),
        })
    }
}

fn own(type_: &str, enabled: bool, secret: &str) -> anyhow::Result<Option<String>> {
    ensure!(
        !enabled || !secret.is_empty(),
        "notifications by {type_} are enabled without a Secret: name the one with the address (chart: \
         notifications.{type_}.webhookSecretRef)"
    );
    Ok(enabled.then(|| secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: NotificationArgs,
    }

    fn args(flags: &[&str]) -> anyhow::Result<NotificationArgs> {
        let flags = ["kymaros"].iter().chain(flags);
        Ok(Command::try_parse_from(flags)?.args)
    }

    fn checked(flags: &[&str]) -> anyhow::Result<Defaults> {
        args(flags)?.checked("ours")
    }

    #[test]
    fn nobody_is_told_unless_enabled() {
        let none = checked(&["--notification-slack-webhook-secret=slack"]).unwrap();
        assert_eq!((none.slack, none.webhook), (None, None));
    }

    #[test]
    fn flags_of_old_name_the_receivers() {
        let both = checked(&[
            "--notification-slack-enabled",
            "--notification-slack-webhook-secret=slack",
            "--notification-webhook-enabled=true",
            "--notification-webhook-secret=hook",
        ])
        .unwrap();
        let slack = both.slack.unwrap();
        assert_eq!(
            (slack.secret.as_str(), slack.channel.as_deref()),
            ("slack", Some("#alerts"))
        );
        assert_eq!(
            (both.webhook.unwrap().secret, both.namespace),
            ("hook".to_owned(), "ours".to_owned())
        );
    }

    #[test]
    fn messages_name_the_cluster_only_when_told_so() {
        let sender = |flags: &[&str]| format!("{:?}", args(flags).unwrap().sender().unwrap());
        let named = sender(&["--notification-cluster-name=eu"]);
        assert!(named.contains("cluster: Some(\"eu\")"), "{named}");
        let unnamed = sender(&[]);
        assert!(unnamed.contains("cluster: None"), "{unnamed}");
    }

    #[test]
    fn an_enabled_receiver_without_a_secret_is_refused_at_the_start() {
        let error = checked(&["--notification-webhook-enabled"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("notifications.webhook.webhookSecretRef"),
            "{error}"
        );
    }
}
