//! A receiver outside of the cluster that notes what it is told, and when, and that can be away.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use kymaros_testbed::cluster;
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

/// One attempt to tell it something.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the message.
    pub delivery: String,
    /// The report that it is about.
    pub report: String,
    /// When it came.
    pub at: Timestamp,
    /// Whether it was taken.
    pub taken: bool,
}

struct Notes {
    is_away: AtomicBool,
    attempts: watch::Sender<Vec<Attempt>>,
}

/// The receiver. It has a certificate that nobody trusts who is not told to.
pub struct Receiver {
    /// Where it is.
    pub address: String,
    /// What it is trusted by, PEM.
    pub authority: String,
    notes: Arc<Notes>,
    server: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    pub fn start() -> Result<Self> {
        let listener = cluster::listen()?;
        listener.set_nonblocking(true)?;
        let there = listener.local_addr()?;
        let made = rcgen::generate_simple_self_signed([there.ip().to_string()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let notes = Arc::new(Notes {
            is_away: AtomicBool::new(false),
            attempts: watch::Sender::new(Vec::new()),
        });
        let shared = notes.clone();
        let hear =
            move |headers: HeaderMap, Json(message): Json<Value>| ready(shared.hear(&headers, &message));
        let app = Router::new().route("/", post(hear)).into_make_service();
        let secure = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls)))?;
        let server = tokio::spawn(async move {
            // Were it to end early, nothing would arrive, and the figures say so.
            let _ = secure.serve(app).await;
        });
        Ok(Self {
            address: format!("https://{there}/"),
            authority: made.cert.pem(),
            notes,
            server,
        })
    }

    /// From now on it refuses everything, or takes it again.
    pub fn set_away(&self, away: bool) {
        self.notes.is_away.store(away, Ordering::SeqCst);
    }

    /// How many attempts there were.
    pub fn heard(&self) -> usize {
        self.notes.attempts.borrow().len()
    }

    /// All of them.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.notes.attempts.borrow().clone()
    }

    /// Waits until there were so many.
    pub async fn hears(&self, attempts: usize) -> Result<()> {
        let mut notes = self.notes.attempts.subscribe();
        notes.wait_for(|noted| noted.len() >= attempts).await?;
        Ok(())
    }
}

impl Notes {
    fn hear(&self, headers: &HeaderMap, message: &Value) -> StatusCode {
        let taken = !self.is_away.load(Ordering::SeqCst);
        let delivery = headers.get("x-kymaros-delivery");
        let attempt = Attempt {
            delivery: delivery
                .and_then(|id| id.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            report: message["ReportRef"].as_str().unwrap_or_default().to_owned(),
            at: Timestamp::now(),
            taken,
        };
        self.attempts.send_modify(|noted| noted.push(attempt));
        if taken {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
