//! Who is told of a verdict.

use super::{
    name,
    problems::{Problems, set},
};
use crate::{NotificationType, NotificationsSpec};

/// Who is told of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notifications {
    /// Told when a run does not pass.
    pub on_failure: Vec<NotificationTarget>,
    /// Told when a run passes.
    pub on_success: Vec<NotificationTarget>,
    /// The test says itself who is told, if only nobody: the operator's own receivers are for the others.
    pub is_set: bool,
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationTarget {
    /// How it is told.
    pub type_: NotificationType,
    /// Slack channel.
    pub channel: Option<String>,
    /// The Secret with the address, in the test's namespace. `None`: the operator's own for this type.
    pub secret: Option<String>,
}

impl Notifications {
    pub(super) fn parse(spec: Option<&NotificationsSpec>, path: &str, problems: &mut Problems) -> Self {
        let Some(spec) = spec else { return Self::default() };
        Self {
            on_failure: targets(&spec.on_failure, &format!("{path}.onFailure"), problems),
            on_success: targets(&spec.on_success, &format!("{path}.onSuccess"), problems),
            is_set: true,
        }
    }
}

fn targets(
    specs: &[crate::NotificationTarget],
    path: &str,
    problems: &mut Problems,
) -> Vec<NotificationTarget> {
    let target = |(index, spec): (usize, &crate::NotificationTarget)| {
        let secret = set(spec.webhook_secret_ref.as_deref());
        let path = format!("{path}[{index}].webhookSecretRef");
        match secret {
            // The address itself is a secret, and errors go into logs and events.
            Some(address) if address.contains("://") => problems.report(
                &path,
                "an address",
                "is not the name of a Secret; put the address into a Secret under the key url, and write its name",
            ),
            Some(secret) => drop(problems.ok(&path, secret, name::subdomain(secret))),
            None => {}
        }
        NotificationTarget {
            type_: spec.type_,
            channel: set(spec.channel.as_deref()).map(str::to_owned),
            secret: secret.map(str::to_owned),
        }
    };
    specs.iter().enumerate().map(target).collect()
}
