//! The serving certificate with its key.

use std::{fmt, sync::Arc};

use rustls::sign::CertifiedKey;

use crate::{
    certificate::Certificate,
    key::{PrivateKey, Unreadable},
    resolver::provider,
};

/// A serving certificate, those between it and its authority, and its key, which belongs to it.
#[derive(Clone)]
pub struct Leaf {
    certificate: Certificate,
    intermediates: Vec<Certificate>,
    key: PrivateKey,
    certified: Arc<CertifiedKey>,
}

impl Leaf {
    /// Reads PEM.
    ///
    /// # Errors
    /// When something is missing or cannot be read, or the key belongs to another certificate.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, Unreadable> {
        let mut chain = Certificate::read_all(chain)?.into_iter();
        let certificate = chain.next().ok_or(Unreadable::Missing)?;
        Self::new(certificate, chain.collect(), PrivateKey::read(key)?)
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// When the key belongs to another certificate.
    pub fn new(
        certificate: Certificate,
        intermediates: Vec<Certificate>,
        key: PrivateKey,
    ) -> Result<Self, Unreadable> {
        let chain = std::iter::once(&certificate).chain(&intermediates);
        let chain = chain.map(|c| c.der().clone()).collect();
        let certified =
            CertifiedKey::from_der(chain, key.der()?, provider()).map_err(|_| Unreadable::WrongKey)?;
        Ok(Self {
            certificate,
            intermediates,
            key,
            certified: Arc::new(certified),
        })
    }

    /// The serving certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Those between it and its authority; none when we made it.
    pub fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }

    /// Its key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// For the TLS library.
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// All certificates, as PEM.
    pub fn pem(&self) -> String {
        let chain = std::iter::once(&self.certificate).chain(&self.intermediates);
        chain.map(Certificate::pem).collect()
    }
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.intermediates == other.intermediates
            && self.key == other.key
    }
}

impl Eq for Leaf {}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({:?})", self.certificate)
    }
}
