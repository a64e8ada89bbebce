//! The operator in the cluster, from its image and the very chart users install.

use std::path::Path;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{apply::with_registry, scale::scale_deployment};
use crate::cluster::Cluster;

/// Where the operator lives.
pub const NAMESPACE: &str = "kymaros-system";
/// The Helm release, and the names of most of its objects.
pub const RELEASE: &str = "kymaros";
/// What licenses are signed with there.
pub const SIGNING_KEY: &str = "a signing key for tests";
/// The Secret that holds it.
pub const SIGNING_SECRET: &str = "kymaros-signing-key";
/// The kind of another product that it may list.
pub const LISTED_KIND: &str = "widgets.example.com";
/// The Secret of Velero's that it may read.
pub const AUTHORITY_SECRET: &str = "kymaros-test-authority";
/// Label on its namespace when tests made it, and may replace what is in there.
const TESTED: &str = "kymaros.test/deployed";

/// An operator to be deployed.
#[derive(Clone, Debug)]
pub struct Operator<'a> {
    /// The folder of the chart.
    pub chart: &'a Path,
    /// The image, already loaded.
    pub image: &'a str,
}

/// Installs or upgrades the release and waits until the operator is ready.
///
/// # Errors
/// When something is refused, it is not ready within two minutes, or Kymaros is there already and not from a test.
pub async fn deploy(cluster: &Cluster, client: &Client, operator: &Operator<'_>) -> Result<()> {
    let namespace = Api::<Namespace>::all(client.clone()).get_opt(NAMESPACE).await?;
    if namespace.is_some_and(|namespace| !namespace.labels().contains_key(TESTED)) {
        bail!(
            "namespace {NAMESPACE} is in this cluster already, and tests would replace what is in it; use another cluster"
        );
    }
    make_namespace(client).await?;
    make_signing_key(client).await?;
    let chart = operator
        .chart
        .to_str()
        .context("the path of the chart is no text")?;
    cluster.run("helm", &["dependency", "build", chart])?;
    let image = with_registry(operator.image);
    let (repository, tag) = image.rsplit_once(':').context("an image without a tag")?;
    let (repository, tag) = (
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
    );
    let mut args = vec!["upgrade", RELEASE, chart, "--install", "--namespace", NAMESPACE];
    args.extend(["--wait", "--timeout", "2m", "--reset-values"]);
    let signing = format!("license.signingKeySecret.name={SIGNING_SECRET}");
    for value in [&repository, &tag, &signing] {
        args.extend(["--set-string", value]);
    }
    let listed = format!("completeness.customResources=[{LISTED_KIND:?}]");
    let trusted = format!("velero.caSecrets=[{AUTHORITY_SECRET:?}]");
    for value in [&listed, &trusted] {
        args.extend(["--set-json", value]);
    }
    cluster.run("helm", &args)?;
    Ok(())
}

/// Sets the number of the operator's replicas and waits until it is so, with nothing left of those that go; how many
/// there were.
///
/// # Errors
/// When it is not so within two minutes.
pub async fn scale(client: &Client, replicas: i32) -> Result<i32> {
    scale_deployment(client, NAMESPACE, RELEASE, replicas).await
}

/// The namespace, with the strictest rules for pods.
async fn make_namespace(client: &Client) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "labels": { TESTED: "true", "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    let params = PatchParams::apply("kymaros-testbed").force();
    Api::<Namespace>::all(client.clone())
        .patch(NAMESPACE, &params, &Patch::Apply(&namespace))
        .await?;
    Ok(())
}

async fn make_signing_key(client: &Client) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": SIGNING_SECRET },
        "stringData": { "signing-key": SIGNING_KEY },
    });
    let params = PatchParams::apply("kymaros-testbed").force();
    Api::<Secret>::namespaced(client.clone(), NAMESPACE)
        .patch(SIGNING_SECRET, &params, &Patch::Apply(&secret))
        .await?;
    Ok(())
}
