//! What the webhook configurations hold, and what is to be put into them.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Value, json};

use crate::{bundle::Bundle, registration::Registration};

/// A webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Configuration {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// The two kinds of webhook configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `ValidatingWebhookConfiguration`
    Validating,
    /// `MutatingWebhookConfiguration`
    Mutating,
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Validating => "ValidatingWebhookConfiguration",
            Kind::Mutating => "MutatingWebhookConfiguration",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// What is known of every configuration that calls us.
pub type Sights = BTreeMap<Configuration, Sight<Live>>;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight<T> {
    /// The API server has not told yet.
    NotSeen,
    /// It does not exist.
    Absent,
    /// It exists.
    Present(T),
}

/// A configuration as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its resource version.
    pub version: String,
    /// Its webhooks, in order.
    pub webhooks: Vec<Webhook>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Its `caBundle` as it is.
    pub text: Vec<u8>,
    /// What can be read in it.
    pub bundle: Bundle,
    /// What it is registered for.
    pub registration: Registration,
}

impl<T> From<Option<T>> for Sight<T> {
    fn from(object: Option<T>) -> Self {
        object.map_or(Self::Absent, Self::Present)
    }
}

impl Sight<Live> {
    /// Its webhooks, as far as they are known.
    pub fn webhooks(&self) -> &[Webhook] {
        match self {
            Self::Present(live) => &live.webhooks,
            Self::NotSeen | Self::Absent => &[],
        }
    }
}

impl Webhook {
    fn new(name: &str, client: &WebhookClientConfig, registration: Registration) -> Self {
        let text = client.ca_bundle.as_ref().map_or_else(Vec::new, |b| b.0.clone());
        Self {
            name: name.to_owned(),
            bundle: Bundle::read(&text),
            text,
            registration,
        }
    }
}

impl Live {
    fn new(metadata: &ObjectMeta, webhooks: Vec<Webhook>) -> Self {
        Self {
            version: metadata.resource_version.clone().unwrap_or_default(),
            webhooks,
        }
    }
}

impl From<ValidatingWebhookConfiguration> for Live {
    fn from(object: ValidatingWebhookConfiguration) -> Self {
        let webhooks = object.webhooks.iter().flatten();
        let webhooks = webhooks
            .map(|w| Webhook::new(&w.name, &w.client_config, w.into()))
            .collect();
        Self::new(&object.metadata, webhooks)
    }
}

impl From<MutatingWebhookConfiguration> for Live {
    fn from(object: MutatingWebhookConfiguration) -> Self {
        let webhooks = object.webhooks.iter().flatten();
        let webhooks = webhooks
            .map(|w| Webhook::new(&w.name, &w.client_config, w.into()))
            .collect();
        Self::new(&object.metadata, webhooks)
    }
}

/// Bundles to be put into a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The configuration.
    pub configuration: Configuration,
    /// The version this is meant for.
    pub version: String,
    /// The `caBundle` of each webhook, by name.
    pub bundles: Vec<(String, Bundle)>,
}

impl Publication {
    /// A strategic merge patch: webhooks are told apart by name, and only their `caBundle` changes. It holds only for the
    /// version that was looked at, so that a webhook that is gone meanwhile does not come back.
    ///
    /// Server-side apply would do the same, but an applied `caBundle` makes its webhook co-owned: nobody else could then
    /// remove that webhook by applying a manifest without it, because what would be left of it is not valid.
    pub fn patch(&self) -> Value {
        let webhook = |(name, bundle): &(String, Bundle)| {
            let bundle = ByteString(bundle.pem().into_bytes());
            json!({ "name": name, "clientConfig": { "caBundle": bundle } })
        };
        json!({
            "metadata": { "resourceVersion": self.version },
            "webhooks": self.bundles.iter().map(webhook).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_every_webhook_and_the_version_it_is_meant_for() {
        let authority = crate::tests::authority().certificate;
        let publication = Publication {
            configuration: Configuration {
                kind: Kind::Validating,
                name: "one".into(),
            },
            version: "7".into(),
            bundles: vec![
                ("a".into(), Bundle::of([&authority])),
                ("b".into(), Bundle::default()),
            ],
        };
        let bundle = ByteString(authority.pem().into());
        assert_eq!(
            publication.patch(),
            json!({
                "metadata": { "resourceVersion": "7" },
                "webhooks": [
                    { "name": "a", "clientConfig": { "caBundle": bundle } },
                    { "name": "b", "clientConfig": { "caBundle": "" } },
                ],
            })
        );
    }
}
