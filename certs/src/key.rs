//! A private key, which is never shown.

use std::fmt;

use rcgen::KeyPair;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

/// Why there is no usable key or certificate. Never says what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The entry is not there, or empty.
    #[error("is missing")]
    Missing,
    /// Not PEM, or not what it should be inside.
    #[error("cannot be read")]
    Garbage,
    /// The key belongs to another certificate.
    #[error("does not belong to the certificate")]
    WrongKey,
    /// The certificate may not sign others.
    #[error("is not an authority")]
    NotAnAuthority,
}

/// A private key.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}

impl PrivateKey {
    /// Reads PEM: PKCS #8, SEC 1 or PKCS #1.
    pub fn read(text: &[u8]) -> Result<Self, Unreadable> {
        let text = str::from_utf8(text).map_err(|_| Unreadable::Garbage)?.trim();
        if text.is_empty() {
            return Err(Unreadable::Missing);
        }
        PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| Unreadable::Garbage)?;
        Ok(Self(format!("{text}\n")))
    }

    /// PEM, for the Secret only.
    pub fn pem(&self) -> &str {
        &self.0
    }

    /// For the TLS library.
    pub fn der(&self) -> Result<PrivateKeyDer<'static>, Unreadable> {
        PrivateKeyDer::from_pem_slice(self.0.as_bytes()).map_err(|_| Unreadable::Garbage)
    }

    /// For signing certificates.
    pub fn signing(&self) -> Result<KeyPair, Unreadable> {
        KeyPair::from_pem(&self.0).map_err(|_| Unreadable::Garbage)
    }
}

impl From<&KeyPair> for PrivateKey {
    fn from(pair: &KeyPair) -> Self {
        Self(pair.serialize_pem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let pair = KeyPair::generate().unwrap();
        let key = PrivateKey::from(&pair);
        assert_eq!(format!("{key:?}"), "PrivateKey(hidden)");
        assert_eq!(
            PrivateKey::read(key.pem().as_bytes()).unwrap().pem().trim(),
            key.pem().trim()
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(PrivateKey::read(b" \n"), Err(Unreadable::Missing));
        for wrong in [b"hello".as_slice(), b"\xff\xfe", certificate.as_bytes()] {
            assert_eq!(PrivateKey::read(wrong), Err(Unreadable::Garbage));
        }
    }
}
