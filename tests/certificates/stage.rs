//! The stage: a namespace with a Service and webhook configurations of its own, and the rights that the chart gives. The
//! webhooks are asked only about marked `ConfigMap`s in that namespace.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        core::v1::{ConfigMap, Secret},
    },
};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{Condition, await_condition},
};
use kymaros_certs::{Configurations, Lifetimes, Names, Settings, Source};
use kymaros_testbed::scene::{Scene, apply, unique};
use serde_json::json;

/// Name of the Service, of the Secret and of the service account.
pub const NAME: &str = "webhooks";
/// Longest time anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Stage {
    pub scene: Scene,
    pub namespace: String,
    /// Name of both configurations, and of the role to write them.
    pub configuration: String,
    /// Has the rights of the service account, and no others.
    pub client: Client,
}

/// The manifest of the configurations as a chart has it: without `caBundle`. `%` is the name of the namespace.
const CONFIGURATIONS: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: CONFIGURATION}
webhooks:
- name: one.certificates.kymaros.test
  clientConfig: {service: {name: webhooks, namespace: NAMESPACE, path: /one}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  objectSelector: {matchLabels: {kymaros.test/ask: 'yes'}}
  sideEffects: None
  timeoutSeconds: 5
  admissionReviewVersions: [v1]
- name: two.certificates.kymaros.test
  clientConfig: {service: {name: webhooks, namespace: NAMESPACE, path: /two}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  objectSelector: {matchLabels: {kymaros.test/ask: 'yes'}}
  sideEffects: None
  timeoutSeconds: 5
  admissionReviewVersions: [v1]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: CONFIGURATION}
webhooks:
- name: three.certificates.kymaros.test
  clientConfig: {service: {name: webhooks, namespace: NAMESPACE, path: /three}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  objectSelector: {matchLabels: {kymaros.test/ask: 'yes'}}
  sideEffects: None
  timeoutSeconds: 5
  admissionReviewVersions: [v1]
";

/// What the chart must give.
const RIGHTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: webhooks}
---
apiVersion: v1
kind: Service
metadata: {name: webhooks}
spec: {ports: [{name: https, port: 443, targetPort: 443}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: webhooks}
rules:
- {apiGroups: [''], resources: [secrets], verbs: [create]}
- {apiGroups: [''], resources: [secrets], resourceNames: [webhooks], verbs: [get, list, watch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: webhooks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: webhooks}
subjects: [{kind: ServiceAccount, name: webhooks, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: CONFIGURATION}
rules:
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations, mutatingwebhookconfigurations]
  resourceNames: [CONFIGURATION]
  verbs: [get, list, watch, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: CONFIGURATION}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: CONFIGURATION}
subjects: [{kind: ServiceAccount, name: webhooks, namespace: NAMESPACE}]
";

impl Stage {
    /// A stage without configurations.
    pub async fn bare() -> Result<Self> {
        // Shown when a test fails.
        let log = tracing_subscriber::fmt()
            .with_env_filter("kymaros_certs=info")
            .with_test_writer();
        let _ = log.try_init();
        let mut scene = Scene::new().await?;
        let namespace = scene.namespace("certs").await?;
        let configuration = unique("kymaros-certs");
        let user = format!("system:serviceaccount:{namespace}:{NAME}");
        let kubeconfig = Kubeconfig::read_from(&scene.cluster.kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.auth_info.impersonate = Some(user);
        let client = Client::try_from(config)?;
        let stage = Self {
            scene,
            namespace,
            configuration,
            client,
        };
        stage.apply(RIGHTS).await?;
        Ok(stage)
    }

    /// A stage with configurations that trust nobody yet.
    pub async fn new() -> Result<Self> {
        let stage = Self::bare().await?;
        stage.apply_configurations().await?;
        Ok(stage)
    }

    /// Applies the configurations, as a chart does.
    pub async fn apply_configurations(&self) -> Result<()> {
        self.apply(CONFIGURATIONS).await
    }

    /// Applies the configurations without the validating webhook that is asked about updates.
    pub async fn apply_fewer_webhooks(&self) -> Result<()> {
        let (before, rest) = CONFIGURATIONS
            .split_once("- name: two")
            .context("no webhook two")?;
        let (_, after) = rest.split_once("---").context("no second document")?;
        self.apply(&format!("{before}---{after}")).await
    }

    async fn apply(&self, manifest: &str) -> Result<()> {
        let manifest = manifest
            .replace("NAMESPACE", &self.namespace)
            .replace("CONFIGURATION", &self.configuration);
        apply(&self.scene.client, &self.namespace, &manifest).await
    }

    /// Settings for an authority of our own.
    pub fn settings(&self, lifetimes: Lifetimes) -> Result<Settings> {
        self.settings_from(Source::Own {
            secret: NAME.into(),
            lifetimes,
        })
    }

    pub fn settings_from(&self, source: Source) -> Result<Settings> {
        Ok(Settings {
            namespace: self.namespace.clone(),
            names: Names::new([self.host()])?,
            configurations: Configurations {
                validating: vec![self.configuration.clone()],
                mutating: vec![self.configuration.clone()],
            },
            fences: Vec::new(),
            source,
        })
    }

    /// The name that the API server calls.
    pub fn host(&self) -> String {
        format!("{NAME}.{}.svc", self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.scene.client.clone(), &self.namespace)
    }

    pub fn validating(&self) -> Api<ValidatingWebhookConfiguration> {
        Api::all(self.scene.client.clone())
    }

    pub fn mutating(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.scene.client.clone())
    }

    /// The Secret, as soon as it is like this.
    pub async fn secret_when(&self, what: &str, good: impl Fn(&Secret) -> bool + Send) -> Result<Secret> {
        let condition = |secret: Option<&Secret>| secret.is_some_and(&good);
        when(self.secrets(), NAME, what, condition).await
    }

    /// Changes entries of the Secret by hand; without content they go.
    pub async fn change_secret(&self, entries: &[(&str, Option<&str>)]) -> Result<()> {
        let content = |content: Option<&str>| content.map(|c| ByteString(c.as_bytes().to_vec()));
        let data: serde_json::Map<_, _> = entries
            .iter()
            .map(|(entry, text)| ((*entry).to_owned(), json!(content(*text))))
            .collect();
        let patch = Patch::Merge(json!({ "data": data }));
        self.secrets()
            .patch(NAME, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// The validating configuration, as soon as all its bundles are like this.
    pub async fn bundles_when(&self, what: &str, good: impl Fn(&str) -> bool + Send) -> Result<()> {
        let validating = |object: Option<&ValidatingWebhookConfiguration>| {
            let webhooks = object.into_iter().flat_map(|o| o.webhooks.iter().flatten());
            let mut bundles = webhooks
                .map(|w| text(w.client_config.ca_bundle.as_ref()))
                .peekable();
            bundles.peek().is_some() && bundles.all(|b| good(&b))
        };
        when(self.validating(), &self.configuration, what, validating).await?;
        let mutating = |object: Option<&MutatingWebhookConfiguration>| {
            let webhooks = object.into_iter().flat_map(|o| o.webhooks.iter().flatten());
            let mut bundles = webhooks
                .map(|w| text(w.client_config.ca_bundle.as_ref()))
                .peekable();
            bundles.peek().is_some() && bundles.all(|b| good(&b))
        };
        when(self.mutating(), &self.configuration, what, mutating).await?;
        Ok(())
    }

    /// Asks the API server to make a `ConfigMap`, which it does only after both webhooks agreed; nothing is stored.
    pub async fn ask(client: &Client, namespace: &str) -> Result<(), kube::Error> {
        let object: ConfigMap = ConfigMap {
            metadata: kube::api::ObjectMeta {
                generate_name: Some("asked-".into()),
                labels: Some([("kymaros.test/ask".to_owned(), "yes".to_owned())].into()),
                ..Default::default()
            },
            ..ConfigMap::default()
        };
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        api.create(&params, &object).await.map(drop)
    }

    /// Asks, until the API server gets an answer.
    pub async fn answered(&self) -> Result<()> {
        let asking = async {
            loop {
                match Self::ask(&self.scene.client, &self.namespace).await {
                    Ok(()) => return,
                    // The Service's rules on the node are written a moment after its endpoints.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        if tokio::time::timeout(PATIENCE, asking).await.is_err() {
            let last = Self::ask(&self.scene.client, &self.namespace).await;
            bail!("the webhooks are not reached: {last:?}");
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for kind in [
            "validatingwebhookconfiguration",
            "mutatingwebhookconfiguration",
            "clusterrole",
            "clusterrolebinding",
        ] {
            let arguments = [
                "delete",
                kind,
                &self.configuration,
                "--ignore-not-found",
                "--wait=false",
            ];
            let _ = self.scene.cluster.kubectl(&arguments);
        }
    }
}

/// An object, as soon as it is like this.
pub async fn when<K>(api: Api<K>, name: &str, what: &str, condition: impl Condition<K>) -> Result<K>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let found = tokio::time::timeout(PATIENCE, await_condition(api, name, condition)).await;
    found
        .with_context(|| format!("waited in vain: {what}"))??
        .context("it is gone")
}

/// An entry of the Secret, as text.
pub fn entry(secret: &Secret, entry: &str) -> String {
    text(secret.data.as_ref().and_then(|data| data.get(entry)))
}

fn text(bytes: Option<&ByteString>) -> String {
    bytes.map_or_else(String::new, |b| String::from_utf8_lossy(&b.0).into_owned())
}
