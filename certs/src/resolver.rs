//! The TLS side: shows whatever certificate is served at the moment.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::leaf::Leaf;

/// The one crypto library.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// Holds the served certificate; swapped without a lock, seen by the next handshake.
#[derive(Debug, Default)]
pub struct Resolver(ArcSwapOption<Leaf>);

impl Resolver {
    /// What is served now.
    pub fn served(&self) -> Option<Arc<Leaf>> {
        self.0.load_full()
    }

    /// Serves this from now on.
    pub fn serve(&self, leaf: Leaf) {
        self.0.store(Some(Arc::new(leaf)));
    }
}

impl ResolvesServerCert for Resolver {
    // Whatever name the client asks for: there is only one certificate, and probes ask for none.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|leaf| leaf.certified().clone())
    }
}

/// HTTP/1.1 only: the API server speaks nothing else to webhooks.
///
/// # Errors
/// When the crypto library lacks the protocol versions.
pub fn server_config(resolver: Arc<Resolver>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider().clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
