//! Receivers on this machine: an address says how they behave, until they cheer up.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use axum_server::tls_rustls::RustlsConfig;
use tokio::net::TcpListener;

#[derive(Clone, Copy, Debug)]
pub enum Mood {
    Takes,
    Fails,
    Slow,
    Redirects,
    Busy,
}

#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub body: serde_json::Value,
    pub bytes: Bytes,
    headers: BTreeMap<String, String>,
    taken: bool,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone, Default)]
struct Shared {
    got: Arc<Mutex<Vec<Got>>>,
    cheerful: Arc<AtomicBool>,
}

impl Shared {
    fn router(&self) -> Router {
        let router = Router::new().route("/{path}/{mood}", post(receive));
        router.with_state(self.clone())
    }
}

pub struct Receivers {
    scheme: &'static str,
    address: SocketAddr,
    shared: Shared,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receivers {
    pub async fn start() -> Self {
        Self::start_at(0).await
    }

    pub async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared::default();
        let router = shared.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            scheme: "http",
            address,
            shared,
            server,
        }
    }

    /// Over TLS.
    pub fn start_secure(tls: rustls::ServerConfig) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let secure =
            axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls))).unwrap();
        let shared = Shared::default();
        let app = shared.router().into_make_service();
        let server = tokio::spawn(async move { secure.serve(app).await.unwrap() });
        Self {
            scheme: "https",
            address,
            shared,
            server,
        }
    }

    pub fn address(&self, path: &str, mood: Mood) -> String {
        let mood = format!("{mood:?}").to_lowercase();
        format!("{}://{}/{path}/{mood}", self.scheme, self.address)
    }

    /// A port at which nothing listens.
    pub fn free_port(&self) -> u16 {
        let listener = std::net::TcpListener::bind((self.address.ip(), 0)).unwrap();
        listener.local_addr().unwrap().port()
    }

    /// From now on everything is taken.
    pub fn cheer_up(&self) {
        self.shared.cheerful.store(true, Ordering::SeqCst);
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.taken).collect()
    }
}

async fn receive(
    State(shared): State<Shared>,
    Path((path, mood)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let taken = mood == "takes" || shared.cheerful.load(Ordering::SeqCst);
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    };
    shared.got.lock().unwrap().push(Got {
        path,
        body: serde_json::from_slice(&body).unwrap(),
        bytes: body,
        headers: headers.iter().map(text).collect(),
        taken,
    });
    if taken {
        return StatusCode::OK.into_response();
    }
    match mood.as_str() {
        "slow" => std::future::pending().await,
        "redirects" => (StatusCode::FOUND, [("location", "/a/takes")]).into_response(),
        "busy" => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "120")],
            "rate_limited",
        )
            .into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "try https://hidden").into_response(),
    }
}
