//! A replica: the certificates, and a server that shows them and agrees to everything.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    http::header::{CONNECTION, CONTENT_TYPE},
    response::IntoResponse,
    routing::post,
};
use axum_server::tls_rustls::RustlsConfig;
use kube::Client;
use kymaros_certs::{Certificates, Readiness, Settings};
use kymaros_testbed::{cluster, places::NODE_ADDRESS, scene::apply};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::stage::{NAME, PATIENCE, Stage};

pub struct Replica {
    pub certificates: Certificates,
    /// How many questions it answered.
    pub answers: Arc<AtomicUsize>,
    keeping: AbortHandle,
    /// Whether it is behind the Service.
    joined: watch::Receiver<bool>,
    // Ends with the replica.
    _tasks: JoinSet<()>,
}

impl Replica {
    /// Starts, and joins the Service as soon as it is ready, as pods do.
    pub fn start(stage: &Stage, settings: Settings) -> Result<Self> {
        Self::start_with(stage, stage.client.clone(), settings)
    }

    pub fn start_with(stage: &Stage, client: Client, settings: Settings) -> Result<Self> {
        let (certificates, keeping) = Certificates::start(client, settings, CancellationToken::new())?;
        let mut tasks = JoinSet::new();
        let keeping = tasks.spawn(keeping);
        let listener = cluster::listen()?;
        let port = listener.local_addr()?.port();
        listener.set_nonblocking(true)?;
        let answers = Arc::new(AtomicUsize::new(0));
        let config = RustlsConfig::from_config(certificates.server_config());
        let server = axum_server::from_tcp_rustls(listener, config)?
            .serve(agreeing(answers.clone()).into_make_service());
        tasks.spawn(async move {
            let _ = server.await;
        });
        let (join, joined) = watch::channel(false);
        let mut readiness = certificates.readiness();
        let (admin, namespace) = (stage.scene.client.clone(), stage.namespace.clone());
        tasks.spawn(async move {
            if readiness.wait_for(Readiness::is_ready).await.is_ok() {
                let done = apply(&admin, &namespace, &endpoints(port)).await;
                join.send_replace(done.is_ok());
            }
        });
        Ok(Self {
            certificates,
            answers,
            keeping,
            joined,
            _tasks: tasks,
        })
    }

    /// The certificates are no longer kept, as after a crash; what is served is served on.
    pub fn crash(&self) {
        self.keeping.abort();
    }

    /// Waits until its readiness is like this.
    pub async fn when(&self, what: &str, good: impl FnMut(&Readiness) -> bool) -> Result<Readiness> {
        let mut readiness = self.certificates.readiness();
        let waited = tokio::time::timeout(PATIENCE, readiness.wait_for(good)).await;
        let waited = waited.map(|changed| changed.map(|readiness| readiness.clone()));
        let now = self.certificates.readiness().borrow().clone();
        waited
            .with_context(|| format!("waited in vain for {what}: {now:?}"))?
            .context("nobody keeps them")
    }

    /// Waits until it is ready, and behind the Service.
    pub async fn ready(&self) -> Result<()> {
        self.when("readiness", Readiness::is_ready).await?;
        let mut joined = self.joined.clone();
        let waited = tokio::time::timeout(PATIENCE, joined.wait_for(|joined| *joined)).await;
        waited
            .context("it never joined the Service")?
            .map(drop)
            .context("it did not join the Service")
    }

    /// When the served certificate expires; tells certificates apart.
    pub fn served(&self) -> Option<jiff::Timestamp> {
        self.certificates.expiry().borrow().leaf
    }
}

fn endpoints(port: u16) -> String {
    format!(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {NAME}-{port}, labels: {{kubernetes.io/service-name: {NAME}}}}}
addressType: IPv4
ports: [{{name: https, port: {port}}}]
endpoints: [{{addresses: [{NODE_ADDRESS}]}}]
"
    )
}

/// Answers every question with yes. Every fourth answer ends its connection: the next question needs a new handshake.
fn agreeing(answers: Arc<AtomicUsize>) -> Router {
    let agree = move |body: Bytes| {
        let answers = answers.clone();
        async move {
            let review: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "response": { "uid": review["request"]["uid"], "allowed": true },
            });
            let last = answers.fetch_add(1, Ordering::Relaxed) % 4 == 3;
            let connection = if last { "close" } else { "keep-alive" };
            let headers = [(CONTENT_TYPE, "application/json"), (CONNECTION, connection)];
            (headers, answer.to_string()).into_response()
        }
    };
    Router::new().route("/{webhook}", post(agree))
}
