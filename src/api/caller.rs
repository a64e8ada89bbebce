//! Whose rights a write is made with.

use axum::http::{HeaderValue, Request, header::AUTHORIZATION};
use kube::{Client, Config, client::Body, config::AuthInfo};

/// Somebody who was let in.
#[derive(Clone)]
pub struct Caller {
    /// Writes with their own rights, so that the API server's audit and admission see them and not the operator; in the
    /// modes without accounts, with the operator's.
    pub client: Client,
    /// Whether that is their own account.
    pub is_account: bool,
}

/// A client without any rights of its own.
///
/// # Errors
/// There is no cluster, or TLS cannot be set up.
pub async fn anonymous() -> anyhow::Result<Client> {
    let mut config = Config::infer().await?;
    config.auth_info = AuthInfo::default();
    Ok(Client::try_from(config)?)
}

/// The same client with the rights of a token; none when it is no token.
pub(super) fn with_token(anonymous: &Client, token: &str) -> Option<Client> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    let (base, namespace) = (anonymous.clone(), anonymous.default_namespace().to_owned());
    let service = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert(AUTHORIZATION, header.clone());
        let base = base.clone();
        async move { base.send(request).await }
    });
    Some(Client::new(service, namespace))
}
