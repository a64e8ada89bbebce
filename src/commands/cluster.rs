//! Which cluster and namespace a command is about: what kubectl would take.

use anyhow::Context as _;
use kube::{Api, Client, Config, ResourceExt, api::ListParams, config::KubeConfigOptions};
use kymaros_crds::{RestoreReport, RestoreTest, names};

/// Where to look.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Scope {
    /// Namespace; that of the kubeconfig's context when not set
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Which cluster.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Which {
    /// Context of the kubeconfig; the current one when not set
    #[arg(long)]
    context: Option<String>,
}

/// A namespace of a cluster that is reached with the rights of whoever asks.
pub(super) struct Cluster {
    pub client: Client,
    pub namespace: String,
}

impl Which {
    /// Reaches the cluster.
    pub(super) async fn connect(self) -> anyhow::Result<Client> {
        let config = match self.context {
            None => Config::infer().await?,
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context),
                    ..KubeConfigOptions::default()
                };
                Config::from_kubeconfig(&options).await?
            }
        };
        Ok(Client::try_from(config)?)
    }
}

impl Scope {
    /// Reaches the cluster.
    pub(super) async fn connect(self) -> anyhow::Result<Cluster> {
        let client = self
            .which
            .connect()
            .await
            .context("no cluster: set KUBECONFIG or --context")?;
        let namespace = self
            .namespace
            .unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Cluster { client, namespace })
    }
}

impl Cluster {
    /// The test of this name.
    pub(super) async fn test(&self, name: &str) -> anyhow::Result<RestoreTest> {
        self.tests().get_opt(name).await?.with_context(|| {
            format!(
                "there is no RestoreTest {name} in namespace {}; `kymaros tests --all-namespaces` lists them",
                self.namespace
            )
        })
    }

    /// Tests here.
    pub(super) fn tests(&self) -> Api<RestoreTest> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Reports here.
    pub(super) fn reports(&self) -> Api<RestoreReport> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Selects the reports of a test. A long name is cut in the label, so [`is_of`] must be asked too.
pub(super) fn selector(test: &RestoreTest) -> String {
    format!("{}={}", names::TEST_LABEL, names::label_value(&test.name_any()))
}

/// Whether a report is of this very test, and not of an older one of its name.
pub(super) fn is_of(report: &RestoreReport, test: &RestoreTest) -> bool {
    let uid = test.uid().unwrap_or_default();
    report.owner_references().iter().any(|owner| owner.uid == uid)
}

/// The reports of a test.
pub(super) async fn reports_of(cluster: &Cluster, test: &RestoreTest) -> anyhow::Result<Vec<RestoreReport>> {
    let of_test = ListParams::default().labels(&selector(test));
    let mut reports = cluster.reports().list(&of_test).await?.items;
    reports.retain(|report| is_of(report, test));
    Ok(reports)
}
