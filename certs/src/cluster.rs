//! What is asked of the API server.

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::Secret,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};

use crate::{
    published::{Configuration, Kind, Live, Publication},
    stored::Stored,
};

/// The field manager of everything that is written here.
const MANAGER: &str = "kymaros-certificates";
/// The type whose entries everybody knows.
const SECRET_TYPE: &str = "kubernetes.io/tls";
/// Labels of a new Secret. Keys do not belong into backups.
const LABELS: [(&str, &str); 3] = [
    ("app.kubernetes.io/managed-by", "kymaros"),
    ("app.kubernetes.io/component", "webhooks"),
    ("velero.io/exclude-from-backup", "true"),
];

/// Something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else was faster: to be looked at again, and decided again.
    #[error("somebody else changed it meanwhile")]
    Outdated,
    /// The API server is away or refuses.
    #[error("{0}")]
    Refused(#[source] kube::Error),
}

impl From<kube::Error> for WriteError {
    fn from(error: kube::Error) -> Self {
        match &error {
            // Changed, made, or removed by somebody else.
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => Self::Outdated,
            _ => Self::Refused(error),
        }
    }
}

/// Reads and writes the Secret and the configurations.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    secret: String,
}

impl Cluster {
    /// With the Secret of this name.
    pub fn new(client: Client, namespace: String, secret: String) -> Self {
        Self {
            client,
            namespace,
            secret,
        }
    }

    /// For watching the Secret.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Configurations of a kind.
    pub fn all<K: kube::Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>>(
        &self,
    ) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// The name of the Secret.
    pub fn secret_name(&self) -> &str {
        &self.secret
    }

    /// The Secret, as it is now.
    pub async fn secret(&self) -> Result<Option<Secret>, kube::Error> {
        self.secrets().get_opt(&self.secret).await
    }

    /// Makes the Secret, or replaces exactly the one that was looked at.
    pub async fn write(&self, seen: Option<&Secret>, stored: &Stored) -> Result<Secret, WriteError> {
        let mut secret = seen.cloned().unwrap_or_else(|| self.new_secret());
        stored.write(secret.data.get_or_insert_default());
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match seen {
            Some(_) => self.secrets().replace(&self.secret, &params, &secret).await,
            None => self.secrets().create(&params, &secret).await,
        };
        Ok(written?)
    }

    fn new_secret(&self) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(
                    LABELS
                        .iter()
                        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                        .collect(),
                ),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            ..Secret::default()
        }
    }

    /// A configuration, as it is now.
    pub async fn configuration(&self, configuration: &Configuration) -> Result<Option<Live>, kube::Error> {
        let name = &configuration.name;
        Ok(match configuration.kind {
            Kind::Validating => {
                let api = self.all::<ValidatingWebhookConfiguration>();
                api.get_opt(name).await?.map(Live::from)
            }
            Kind::Mutating => {
                let api = self.all::<MutatingWebhookConfiguration>();
                api.get_opt(name).await?.map(Live::from)
            }
        })
    }

    /// Puts bundles into exactly the configuration that was looked at.
    pub async fn publish(&self, publication: &Publication) -> Result<Live, WriteError> {
        let name = &publication.configuration.name;
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Strategic(publication.patch());
        Ok(match publication.configuration.kind {
            Kind::Validating => {
                let api = self.all::<ValidatingWebhookConfiguration>();
                api.patch(name, &params, &patch).await?.into()
            }
            Kind::Mutating => {
                let api = self.all::<MutatingWebhookConfiguration>();
                api.patch(name, &params, &patch).await?.into()
            }
        })
    }
}
