//! Who is told by a test: its own receivers, and the operator's.

use std::fmt;

use kymaros_crds::{
    NotificationType,
    domain::{NotificationTarget, Notifications},
};

/// The operator's own receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The operator's namespace, where their Secrets are.
    pub namespace: String,
    /// Slack.
    pub slack: Option<OwnReceiver>,
    /// A webhook.
    pub webhook: Option<OwnReceiver>,
}

/// A receiver of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnReceiver {
    /// The Secret with its address, in the operator's namespace.
    pub secret: String,
    /// The Slack channel, where a test does not say another.
    pub channel: Option<String>,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// How.
    pub type_: NotificationType,
    /// The Slack channel.
    pub channel: Option<String>,
    /// Where the address is. None: the test counts on a receiver of the operator's own, and there is none.
    pub secret: Option<SecretName>,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name(self.type_))?;
        if let Some(channel) = &self.channel {
            write!(f, " {channel}")?;
        }
        match &self.secret {
            Some(secret) => write!(f, " by Secret {secret}"),
            None => write!(f, " of the operator"),
        }
    }
}

pub(super) const fn type_name(type_: NotificationType) -> &'static str {
    match type_ {
        NotificationType::Slack => "slack",
        NotificationType::Webhook => "webhook",
    }
}

/// Who is told by a test.
pub struct Receivers {
    pub(super) on_failure: Vec<Receiver>,
    on_success: Vec<Receiver>,
}

impl Receivers {
    /// The operator's own receivers are for tests that say nothing of notifications, and for those that name one of their
    /// type without a Secret.
    #[must_use]
    pub fn of(notifications: &Notifications, namespace: &str, defaults: &Defaults) -> Self {
        if !notifications.is_set {
            return Self {
                on_failure: defaults.receivers().collect(),
                on_success: Vec::new(),
            };
        }
        let list = |targets: &[NotificationTarget]| {
            let mut list: Vec<Receiver> = Vec::new();
            for target in targets {
                let receiver = resolve(target, namespace, defaults);
                if !list.contains(&receiver) {
                    list.push(receiver);
                }
            }
            list
        };
        Self {
            on_failure: list(&notifications.on_failure),
            on_success: list(&notifications.on_success),
        }
    }

    /// Each once.
    pub fn all(&self) -> impl Iterator<Item = &Receiver> {
        let more = self.on_success.iter().filter(|r| !self.on_failure.contains(r));
        self.on_failure.iter().chain(more)
    }

    pub(super) fn list(&self, success: bool) -> &[Receiver] {
        if success {
            &self.on_success
        } else {
            &self.on_failure
        }
    }
}

impl Defaults {
    /// Those that there are.
    pub fn receivers(&self) -> impl Iterator<Item = Receiver> {
        let types = [NotificationType::Slack, NotificationType::Webhook];
        types.into_iter().filter_map(|type_| self.receiver(type_, None))
    }

    fn receiver(&self, type_: NotificationType, channel: Option<&str>) -> Option<Receiver> {
        let own = match type_ {
            NotificationType::Slack => self.slack.as_ref(),
            NotificationType::Webhook => self.webhook.as_ref(),
        }?;
        Some(Receiver {
            type_,
            channel: channel.map(str::to_owned).or_else(|| own.channel.clone()),
            secret: Some(SecretName {
                namespace: self.namespace.clone(),
                name: own.secret.clone(),
            }),
        })
    }
}

/// Who a target of a test in this namespace is.
pub(super) fn resolve(target: &NotificationTarget, namespace: &str, defaults: &Defaults) -> Receiver {
    let channel = match target.type_ {
        NotificationType::Slack => target.channel.clone(),
        NotificationType::Webhook => None,
    };
    let secret = target.secret.as_ref().map(|name| SecretName {
        namespace: namespace.to_owned(),
        name: name.clone(),
    });
    if secret.is_none()
        && let Some(own) = defaults.receiver(target.type_, channel.as_deref())
    {
        return own;
    }
    Receiver {
        type_: target.type_,
        channel,
        secret,
    }
}
