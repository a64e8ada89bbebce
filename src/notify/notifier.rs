//! Telling one receiver one thing: its Secret, its address, one attempt.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kymaros_crds::{NotificationSubject, domain::NotificationTarget};
use thiserror::Error;

use super::{
    address::{Address, AddressError},
    decide::{Notice, short_hash},
    message,
    receiver::{Defaults, Receiver, SecretName, resolve, type_name},
    secret::{self, SecretError},
    send::{SendError, Sender},
};

/// Why a receiver could not be told, and what to do about that. Nothing in it shows an address.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// It names no Secret, and the operator has no receiver of its own.
    #[error(
        "no webhookSecretRef is set, and the operator has no {0} receiver of its own: name a Secret, or set the chart's value \
         notifications.{0}.enabled"
    )]
    NoReceiver(&'static str),
    /// Its address cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its address may not be sent to.
    #[error("what Secret {0} holds {1}")]
    Address(SecretName, AddressError),
    /// The authority that it names is none.
    #[error(
        "Secret {0} holds something else than certificates under the key ca.crt: put those of the receiver's authority there, \
         PEM, or remove the key"
    )]
    Authority(SecretName),
    /// It did not take the message.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl NotifyError {
    /// How long the receiver wants to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Send(error) => error.retry_after,
            _ => None,
        }
    }
}

/// Tells receivers. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    client: Client,
    sender: Sender,
    defaults: Defaults,
}

impl Notifier {
    /// Reads Secrets with this client.
    #[must_use]
    pub const fn new(client: Client, sender: Sender, defaults: Defaults) -> Self {
        Self {
            client,
            sender,
            defaults,
        }
    }

    /// The operator's own receivers.
    #[must_use]
    pub const fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// [`NotifyError`] says what to do about it.
    pub async fn send(&self, notice: &Notice) -> Result<(), NotifyError> {
        let receiver = &notice.receiver;
        let Some(secret) = &receiver.secret else {
            return Err(NotifyError::NoReceiver(type_name(receiver.type_)));
        };
        let stored = secret::read(&self.client, secret).await?;
        let address = Address::parse(&stored.address, self.sender.reach())
            .map_err(|error| NotifyError::Address(secret.clone(), error))?;
        let sender = match &stored.authority {
            Some(authority) => self
                .sender
                .trusting(authority)
                .ok_or_else(|| NotifyError::Authority(secret.clone()))?,
            None => self.sender.clone(),
        };
        Ok(sender
            .send(notice, &address, stored.signing_key.as_deref())
            .await?)
    }

    /// Sends a test message to a target, as a test in this namespace would; says who was told. Whoever calls it for
    /// somebody else must have seen that they may use notifications of that namespace.
    ///
    /// # Errors
    /// [`NotifyError`] says what to do about it.
    pub async fn send_test(
        &self,
        namespace: &str,
        target: &NotificationTarget,
    ) -> Result<Receiver, NotifyError> {
        let receiver = resolve(target, namespace, &self.defaults);
        let now = Timestamp::now();
        let notice = Notice {
            id: short_hash(&format!("test\n{namespace}\n{receiver}\n{now}")),
            subject: NotificationSubject::Verdict,
            since: now,
            receiver,
            message: message::of_test(namespace),
        };
        self.send(&notice).await?;
        Ok(notice.receiver)
    }
}
