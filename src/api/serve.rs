//! The server of API and pages.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio_util::sync::CancellationToken;

/// How long the head of a request may take to come, as in 0.6.9.
const HEAD_COMES: Duration = Duration::from_secs(10);
/// Largest head, bytes.
const MOST_HEAD: usize = 64 << 10;
/// How long answers under way may take after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> std::io::Result<()> {
    let handle = Handle::new();
    let ends = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        ends.graceful_shutdown(Some(GRACE));
    });
    let mut server = axum_server::from_tcp(listener)?.handle(handle);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_COMES)
        .max_buf_size(MOST_HEAD);
    server
        .serve(app.into_make_service_with_connect_info::<SocketAddr>())
        .await
}
