//! Making a sandbox, fences first.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use kymaros_crds::names;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::objects::{Operator, SandboxPlan};
use crate::{refusal::is_final, retry::again};

/// Field manager of everything Kymaros applies.
pub const FIELD_MANAGER: &str = "kymaros";

/// Why a sandbox could not be made.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// A namespace of that name exists and is not of this run. Nothing is ever restored into it.
    #[error("namespace {0} exists and is not a sandbox of this run")]
    Taken(String),
    /// The namespace of an earlier run is still going.
    #[error("namespace {0} of an earlier run is still terminating")]
    Terminating(String),
    /// The cluster refused an object of the sandbox for good (admission, rights).
    #[error("{object} was refused: {message}")]
    Refused {
        /// What was refused.
        object: String,
        /// The API server's words.
        message: String,
    },
    /// The API server could not be reached or had a passing trouble.
    #[error(transparent)]
    Api(kube::Error),
}

impl SandboxError {
    /// Whether trying again cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Taken(_) | Self::Refused { .. })
    }

    fn of(object: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if is_final(&status) => Self::Refused {
                object: object.to_owned(),
                message: status.message.clone(),
            },
            other => Self::Api(other),
        }
    }
}

/// Makes the namespace and its fences. Doing it again changes nothing.
///
/// # Errors
/// [`SandboxError`]; a namespace that is not this run's own is never touched.
pub async fn apply(
    client: &Client,
    operator: &Operator,
    resolvers: &[IpAddr],
    plan: &SandboxPlan,
) -> Result<(), SandboxError> {
    create_namespace(client, plan).await?;
    let policy = plan.network_policy(resolvers);
    let (quota, limits) = (plan.resource_quota(), plan.limit_range());
    let binding = plan.role_binding(operator);
    tokio::try_join!(
        apply_one(client, &plan.name, &binding),
        apply_one(client, &plan.name, &policy),
        apply_one(client, &plan.name, &quota),
        apply_one(client, &plan.name, &limits),
    )?;
    Ok(())
}

async fn create_namespace(client: &Client, plan: &SandboxPlan) -> Result<(), SandboxError> {
    let namespaces = Api::<Namespace>::all(client.clone());
    match namespaces.create(&PostParams::default(), &plan.namespace()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let existing = namespaces.get(&plan.name).await.map_err(SandboxError::Api)?;
            let is_ours = existing.labels().get(names::RUN_UID_LABEL) == Some(&plan.identity.uid);
            let is_kymaros = names::is_managed(existing.labels());
            match (is_ours, existing.metadata.deletion_timestamp.is_some()) {
                (true, false) => Ok(()),
                (true, true) => Err(SandboxError::Terminating(plan.name.clone())),
                (false, true) if is_kymaros => Err(SandboxError::Terminating(plan.name.clone())),
                (false, _) => Err(SandboxError::Taken(plan.name.clone())),
            }
        }
        Err(error) => Err(SandboxError::of(&format!("Namespace/{}", plan.name), error)),
    }
}

async fn apply_one<K>(client: &Client, namespace: &str, object: &K) -> Result<(), SandboxError>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let name = object.name_any();
    let whole = Patch::Apply(object);
    let patch = || api.patch(&name, &params, &whole);
    again(patch)
        .await
        .map(|_| ())
        .map_err(|error| SandboxError::of(&format!("{}/{}", K::kind(&()), object.name_any()), error))
}
