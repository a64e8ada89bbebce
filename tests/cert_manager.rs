//! The chart with a real cert-manager: somebody else issues the certificate of the webhooks, publishes its authority and
//! renews it. A file of its own, because it installs and removes the operator that other tests use.

mod helm;
mod stage;
mod story;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::wait::await_condition,
};
use kymaros_crds::RestoreTest;
use kymaros_testbed::{
    cert_manager::CertManager,
    cluster::{self, Cluster},
    progress::Silent,
};
use serde_json::json;
use stage::Stage;
use story::spec;
use tokio_util::sync::CancellationToken;

/// Longest time until a new certificate is served.
const PATIENCE: Duration = Duration::from_mins(1);
/// How the metric begins that says until when the served certificate is valid.
const SERVED: &str = "kymaros_certificate_expiry_timestamp_seconds{certificate=\"served\"}";
const SECRET: &str = "kymaros-webhook-certificate";
const CERTIFICATE: &str = "kymaros-webhooks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "builds cert-manager, which takes minutes; run it before a release: cargo test --test cert_manager -- --ignored"]
async fn cert_manager_issues_and_renews_the_certificate() -> Result<()> {
    let mut stage = Stage::set("helm").await?;
    let cluster = cluster::find()?;
    let _cert_manager = CertManager::start(&cluster, &Silent).await?;
    println!("cert-manager {}", CertManager::version());
    stage
        .step("one whose injector is too old is refused", async |s| {
            too_old(s, &cluster)
        })
        .await?;
    let client = cluster.client().await?;
    let publishing = tokio::spawn(publish(client));
    stage
        .step("it is installed", async |s| {
            s.install_with(&["webhooks.certManager.enabled=true", "metrics.secure=false"])
        })
        .await?;
    publishing.await??;
    stage.step("its test passes", async |s| s.test()).await?;
    stage
        .step("it does its job", async |s| s.passes_a_run("issued").await)
        .await?;
    stage
        .step(
            "the certificate is renewed, and every question is answered",
            async |_| renewed().await,
        )
        .await?;
    stage.step("its test passes", async |s| s.test()).await?;
    stage
        .step("it is uninstalled", async |s| {
            s.uninstall_but(&["secret/kymaros-webhook-certificate", "secret/kymaros-webhooks-ca"])
                .await
        })
        .await?;
    stage.end().await
}

/// Its chart writes its version on its kinds; this one came without.
fn too_old(stage: &mut Stage, cluster: &Cluster) -> Result<()> {
    let label = |label: &str| {
        let kind = "customresourcedefinition/certificates.cert-manager.io";
        cluster.kubectl(&["label", "--overwrite", kind, label])
    };
    label("app.kubernetes.io/version=v1.11.5")?;
    let refused = stage.install_with(&["webhooks.certManager.enabled=true"]);
    label("app.kubernetes.io/version-")?;
    let refused = refused.err().context("it was installed")?.to_string();
    ensure!(refused.contains("upgrade cert-manager to 1.12"), "{refused}");
    Ok(())
}

/// Does what the injector of a newer cert-manager does, once: writes the authority of the first certificate into the webhooks.
async fn publish(client: Client) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), helm::NAMESPACE);
    let has_authority = |secret: Option<&Secret>| {
        let data = secret.and_then(|secret| secret.data.as_ref());
        data.and_then(|data| data.get("ca.crt"))
            .is_some_and(|authority| !authority.0.is_empty())
    };
    let issued = tokio::time::timeout(PATIENCE, await_condition(secrets, SECRET, has_authority)).await;
    let issued = issued
        .context("no certificate was issued")??
        .context("it is gone")?;
    let authority = issued.data.and_then(|mut data| data.remove("ca.crt"));
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let api = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&gvk));
        let found = api.get(helm::RELEASE).await?;
        let webhooks = found.data["webhooks"].as_array().context("no webhooks")?;
        let bundles: Vec<_> = webhooks
            .iter()
            .map(|webhook| json!({ "name": webhook["name"], "clientConfig": { "caBundle": authority } }))
            .collect();
        let patch = Patch::Strategic(json!({ "webhooks": bundles }));
        api.patch(helm::RELEASE, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

/// Has the certificate renewed while questions come: none is lost, and every replica serves the new one.
async fn renewed() -> Result<()> {
    let client = cluster::find()?.client().await?;
    let stop = CancellationToken::new();
    let asking = tokio::spawn(questions(client.clone(), stop.clone()));
    let before = Issued::now(&client).await?;
    // What `cmctl renew` does.
    let issuing = json!({ "status": { "conditions": [{ "type": "Issuing", "status": "True", "reason": "Renewed",
        "message": "somebody asked", "lastTransitionTime": jiff::Timestamp::now() }] } });
    certificates(&client)
        .patch_status(CERTIFICATE, &PatchParams::default(), &Patch::Merge(&issuing))
        .await?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let after = loop {
        ticks.tick().await;
        let now = Issued::now(&client).await?;
        if now.certificate != before.certificate
            && served(&client).await?.iter().all(|until| *until == now.until)
        {
            break now;
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "the new certificate, until {}, is not served: {:?}",
            now.until,
            served(&client).await?
        );
    };
    stop.cancel();
    let asked = asking.await??;
    println!("{asked} questions, each answered");
    ensure!(asked > 10, "only {asked} questions were asked meanwhile");
    ensure!(after.authority == before.authority, "another authority signed it");
    Ok(())
}

/// Asks the webhooks again and again: how often, or the first failure.
async fn questions(client: Client, stop: CancellationToken) -> Result<usize> {
    let test: RestoreTest = serde_json::from_value(json!({
        "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreTest",
        "metadata": { "name": "asked", "namespace": "default" }, "spec": spec(&["shop"], "none", json!({})),
    }))?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let tests = Api::<RestoreTest>::namespaced(client, "default");
    let mut asked = 0;
    while !stop.is_cancelled() {
        tests.create(&dry, &test).await.context("a question was lost")?;
        asked += 1;
    }
    Ok(asked)
}

/// What cert-manager keeps for us.
struct Issued {
    certificate: ByteString,
    authority: ByteString,
    /// Seconds since 1970.
    until: i64,
}

impl Issued {
    async fn now(client: &Client) -> Result<Self> {
        let secrets = Api::<Secret>::namespaced(client.clone(), helm::NAMESPACE);
        let mut data = secrets.get(SECRET).await?.data.context("an empty Secret")?;
        let certificate = certificates(client).get(CERTIFICATE).await?;
        let until = certificate.data["status"]["notAfter"]
            .as_str()
            .context("no end")?;
        Ok(Self {
            certificate: data.remove("tls.crt").context("no certificate")?,
            authority: data.remove("ca.crt").context("no authority")?,
            until: until.parse::<jiff::Timestamp>()?.as_second(),
        })
    }
}

fn certificates(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate"));
    Api::namespaced_with(client.clone(), helm::NAMESPACE, &resource)
}

/// Until when the certificate is valid that each replica serves, seconds since 1970, by its metrics.
async fn served(client: &Client) -> Result<Vec<i64>> {
    let pods = Api::<Pod>::namespaced(client.clone(), helm::NAMESPACE);
    let replicas = ListParams::default().labels("app.kubernetes.io/component=operator");
    let mut served = Vec::new();
    for pod in pods.list(&replicas).await? {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:8443/proxy/metrics",
            helm::NAMESPACE,
            pod.name_any()
        );
        let metrics = client
            .request_text(http::Request::get(path).body(Vec::new())?)
            .await?;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(SERVED))
            .context("no such metric")?;
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
        served.push(line.trim().parse::<f64>()? as i64);
    }
    Ok(served)
}
