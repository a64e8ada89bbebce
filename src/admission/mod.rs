//! Admission in the operator's own process: what the webhooks know, and how they are served.

mod durations;
mod facts;
mod fences;
mod known;
mod runs;
mod uses;
mod velero_account;

pub use durations::Durations;
pub use facts::{ClusterFacts, Namespaces, Stores};
pub use fences::Installation;
pub use runs::RunIndex;
pub use uses::Uses;

use std::{net::TcpListener, sync::Arc, time::Duration};

use axum_server::{Handle, tls_rustls::RustlsConfig};
use kymaros_webhooks::{Facts, observe::Observe, server};
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

/// Whether the webhooks that fence sandboxes are in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmissionState {
    /// The API server calls us as it was meant to, and trusts our certificate.
    InPlace,
    /// It does not, for this reason.
    Missing(String),
}

/// After a stop, the API server may still send requests for this long, until it has seen that we are not ready.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long requests under way may take after that.
const GRACE: Duration = Duration::from_secs(2);

/// Serves admission until `stop`, and a little longer: the API server learns late that we are going.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    facts: Arc<dyn Facts>,
    observer: Arc<dyn Observe>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let handle = Handle::new();
    let farewell = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
        farewell.graceful_shutdown(Some(GRACE));
    });
    axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?
        .handle(handle)
        .serve(server::router(facts, observer).into_make_service())
        .await
}
