//! The operator's account: its token, its own rights, and every right for a while.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::{SelfSubjectAccessReview, SubjectAccessReview},
    core::v1::ServiceAccount,
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use kymaros_testbed::scene::{Scene, unique};
use serde_json::json;

use crate::NAMESPACE;

const ACCOUNT: &str = "kymaros";

/// How long the API server may take until it knows of a right.
const PATIENCE: Duration = Duration::from_secs(30);

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
    pub async fn give(client: &Client, operator: &Client) -> Result<Self> {
        let name = unique("kymaros-test-every-right");
        let api = Api::<ClusterRoleBinding>::all(client.clone());
        let binding = serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        }))?;
        api.create(&PostParams::default(), &binding).await?;
        let given = Self { api, name };
        if let Err(error) = Self::is_known(operator).await {
            given.take_back().await?;
            return Err(error);
        }
        Ok(given)
    }

    async fn is_known(operator: &Client) -> Result<()> {
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({
            "spec": { "resourceAttributes": { "verb": "*", "group": "*", "resource": "*" } },
        }))?;
        let reviews = Api::<SelfSubjectAccessReview>::all(operator.clone());
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answered = reviews.create(&PostParams::default(), &review).await?;
            if answered.status.is_some_and(|status| status.allowed) {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the operator's account did not get every right"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn take_back(self) -> Result<()> {
        self.api.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }
}

/// Whether the operator itself, without rights given by a test, may do this in the whole cluster.
async fn may(client: &Client, verb: &str, group: &str, resource: &str) -> Result<bool> {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "spec": { "user": format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}"),
                  "resourceAttributes": { "verb": verb, "group": group, "resource": resource } },
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
