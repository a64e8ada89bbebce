//! The operator's account: its token, its own rights, and every right for a while.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::SubjectAccessReview,
    core::v1::ServiceAccount,
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use kymaros_testbed::scene::{Scene, unique, until_allowed};
use serde_json::json;

use crate::NAMESPACE;

const ACCOUNT: &str = "kymaros";

/// A client with the operator's own token.
pub async fn as_operator(scene: &Scene) -> Result<Client> {
    let accounts = Api::<ServiceAccount>::namespaced(scene.client.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await?;
    let token = made.status.context("no token")?.token;
    let kubeconfig = Kubeconfig::read_from(&scene.cluster.kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info = kube::config::AuthInfo {
        token: Some(token.into()),
        ..kube::config::AuthInfo::default()
    };
    Ok(Client::try_from(config)?)
}

/// Every right, for as long as this lives.
pub struct EveryRight {
    api: Api<ClusterRoleBinding>,
    name: String,
}

impl EveryRight {
    /// Gives it and waits until the API server knows of it: what RBAC refuses says nothing about a fence.
    pub async fn give(client: &Client) -> Result<Self> {
        let name = unique("kymaros-test-every-right");
        let api = Api::<ClusterRoleBinding>::all(client.clone());
        let binding = serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        }))?;
        api.create(&PostParams::default(), &binding).await?;
        let given = Self { api, name };
        let every = json!({ "resourceAttributes": { "verb": "*", "group": "*", "resource": "*" } });
        if let Err(error) = until_allowed(client, &user(), &every).await {
            given.take_back().await?;
            return Err(error);
        }
        Ok(given)
    }

    pub async fn take_back(self) -> Result<()> {
        self.api.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }
}

fn user() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
}

/// Whether the operator itself, without rights given by a test, may do this in the whole cluster.
async fn may(client: &Client, verb: &str, group: &str, resource: &str) -> Result<bool> {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "spec": { "user": user(), "resourceAttributes": { "verb": verb, "group": group, "resource": resource } },
    }))?;
    let answered = Api::<SubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answered.status.is_some_and(|status| status.allowed))
}

/// Whoever can change the fences is not held by them.
pub async fn the_fences_themselves_are_beyond_its_rights(client: &Client) -> Result<()> {
    let fences = [
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        (
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
        ),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ];
    for (group, resource) in fences {
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert!(!may(client, verb, group, resource).await?, "{verb} {resource}");
        }
    }
    assert!(
        may(client, "create", "", "namespaces").await?,
        "or this test proves nothing"
    );
    Ok(())
}
