//! `/healthz` and `/readyz`, which tell the truth.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};

/// What the process still waits for before it is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<String>>>);

impl Readiness {
    /// Readiness that waits for all of these.
    #[must_use]
    pub fn waiting_for(what: &[&str]) -> Self {
        Self(Arc::new(Mutex::new(
            what.iter().map(ToString::to_string).collect(),
        )))
    }

    /// One more to wait for, or to wait for again.
    pub fn wait_for(&self, what: &str) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.iter().any(|w| w == what) {
            pending.push(what.to_owned());
        }
    }

    /// One of them is here.
    pub fn done(&self, what: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|w| w != what);
    }

    fn pending(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn router(readiness: Readiness) -> Router {
    Router::new()
        // Answering at all shows that the event loop turns.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let pending = readiness.pending();
    if pending.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waits for {}\n", pending.join(", ")),
        )
    }
}

/// Serves both until `stop` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: std::net::TcpListener,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router(readiness))
        .with_graceful_shutdown(stop)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_ready_only_when_nothing_is_pending() {
        let readiness = Readiness::waiting_for(&["reports", "backups"]);
        readiness.done("reports");
        let (status, body) = readyz(State(readiness.clone())).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "waits for backups\n")
        );
        readiness.done("backups");
        assert_eq!(readyz(State(readiness)).await.0, StatusCode::OK);
    }
}
