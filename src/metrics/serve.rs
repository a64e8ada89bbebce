//! `/metrics`: over TLS and for those who may, or plain and for everybody.

use std::{net::TcpListener, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Act, Permission, bearer};

/// How Prometheus asks for it.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long answers under way may take after a stop.
const GRACE: Duration = Duration::from_secs(2);

/// How the metrics are served.
pub enum Served {
    /// With a certificate, for those who may.
    Secure(Arc<ServerConfig>, Access),
    /// As plain text, for everybody who reaches the port.
    Plain,
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    served: Served,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let handle = Handle::new();
    let ends = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        ends.graceful_shutdown(Some(GRACE));
    });
    let registry = Arc::new(registry);
    match served {
        Served::Secure(tls, access) => {
            let app = router(registry, Some(access)).into_make_service();
            let tls = RustlsConfig::from_config(tls);
            let secure = axum_server::from_tcp_rustls(listener, tls)?;
            secure.handle(handle).serve(app).await
        }
        Served::Plain => {
            let app = router(registry, None).into_make_service();
            axum_server::from_tcp(listener)?.handle(handle).serve(app).await
        }
    }
}

#[derive(Clone)]
struct Shared {
    registry: Arc<Registry>,
    /// None: everybody may.
    access: Option<Access>,
}

fn router(registry: Arc<Registry>, access: Option<Access>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(Shared { registry, access })
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(access) = &shared.access
        && let Err(refusal) = admitted(access, &headers).await
    {
        return refusal;
    }
    let mut text = String::new();
    if encode(&mut text, &shared.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(CONTENT_TYPE, FORMAT)], text).into_response()
}

async fn admitted(access: &Access, headers: &HeaderMap) -> Result<(), Response> {
    let Some(token) = bearer(headers) else {
        return Err(unauthorized(
            "send the token of a service account as a bearer token\n",
        ));
    };
    match access.may(token, &Act::Path("/metrics")).await {
        Ok(Permission::Granted) => Ok(()),
        Ok(Permission::Unknown) => Err(unauthorized("this token is not valid here\n")),
        Ok(Permission::Denied) => {
            let remedy = "a ClusterRole with nonResourceURLs [/metrics] and the verb get is needed\n";
            Err((StatusCode::FORBIDDEN, remedy).into_response())
        }
        Err(error) => {
            tracing::warn!(%error, "nobody can say who may read the metrics");
            Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server does not answer\n",
            )
                .into_response())
        }
    }
}

fn unauthorized(why: &'static str) -> Response {
    let header = [(WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, header, why).into_response()
}
