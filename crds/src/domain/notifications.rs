//! Who is told of a verdict.

use super::{
    invalid::{FieldError, Invalid},
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
    /// What a test asks for, without the receivers that cannot be read.
    #[must_use]
    pub fn valid(spec: Option<&NotificationsSpec>) -> Self {
        Self::parse(spec, "", &mut Problems::default())
    }

    pub(super) fn parse(spec: Option<&NotificationsSpec>, path: &str, problems: &mut Problems) -> Self {
        let Some(spec) = spec else { return Self::default() };
        Self {
            on_failure: targets(&spec.on_failure, &format!("{path}.onFailure"), problems),
            on_success: targets(&spec.on_success, &format!("{path}.onSuccess"), problems),
            is_set: true,
        }
    }
}

impl NotificationTarget {
    /// Reads a receiver.
    ///
    /// # Errors
    /// What is wrong with `webhookSecretRef`, the only field that can be.
    pub fn parse(spec: &crate::NotificationTarget) -> Result<Self, FieldError> {
        let secret = set(spec.webhook_secret_ref.as_deref());
        let wrong = |value: &str, message: String| FieldError {
            path: "webhookSecretRef".to_owned(),
            value: value.to_owned(),
            message,
        };
        match secret {
            // The address itself is a secret, and errors go into logs and events.
            Some(address) if address.contains("://") => {
                let message = "is not the name of a Secret; put the address into a Secret under the key url, and write its name";
                return Err(wrong("an address", message.to_owned()));
            }
            Some(secret) => name::subdomain(secret).map_err(|error| wrong(secret, error.to_string()))?,
            None => {}
        }
        Ok(Self {
            type_: spec.type_,
            channel: set(spec.channel.as_deref()).map(str::to_owned),
            secret: secret.map(str::to_owned),
        })
    }
}

fn targets(
    specs: &[crate::NotificationTarget],
    path: &str,
    problems: &mut Problems,
) -> Vec<NotificationTarget> {
    let mut targets = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        match NotificationTarget::parse(spec) {
            Ok(target) => targets.push(target),
            Err(error) => problems.adopt(&format!("{path}[{index}]"), Invalid(vec![error])),
        }
    }
    targets
}
