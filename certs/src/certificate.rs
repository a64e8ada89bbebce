//! A certificate, read.

use std::fmt;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::key::Unreadable;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// More certificates than this in one place are not ours to look through.
const MOST: usize = 32;

/// A certificate.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    der: CertificateDer<'static>,
    from: Timestamp,
    until: Timestamp,
    may_sign: bool,
}

impl Certificate {
    /// Every certificate in a PEM text; what stands between them is passed over.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn read_all(text: &[u8]) -> Result<Vec<Self>, Unreadable> {
        let text = str::from_utf8(text).map_err(|_| Unreadable::Garbage)?;
        if text.trim().is_empty() {
            return Err(Unreadable::Missing);
        }
        let all: Vec<_> = blocks(text).map(Self::read).collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(Unreadable::Garbage);
        }
        Ok(all)
    }

    /// The certificates in a PEM text that can be read.
    pub fn read_some(text: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(text);
        blocks(&text).filter_map(|block| Self::read(block).ok()).collect()
    }

    /// One block of PEM.
    fn read(block: &str) -> Result<Self, Unreadable> {
        let der = CertificateDer::from_pem_slice(block.as_bytes()).map_err(|_| Unreadable::Garbage)?;
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| Unreadable::Garbage)?;
        if !rest.is_empty() {
            return Err(Unreadable::Garbage);
        }
        let may_sign = parsed.is_ca()
            && parsed
                .key_usage()
                .map_err(|_| Unreadable::Garbage)?
                .is_none_or(|usage| usage.value.key_cert_sign());
        let (from, until) = (
            timestamp(parsed.validity().not_before.timestamp()),
            timestamp(parsed.validity().not_after.timestamp()),
        );
        Ok(Self {
            pem: format!("{block}\n"),
            der: der.into_owned(),
            from,
            until,
            may_sign,
        })
    }

    /// One block of PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// For the TLS library.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Valid from this moment on.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Valid until this moment.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether `now` is within its life.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it may sign other certificates.
    pub fn may_sign(&self) -> bool {
        self.may_sign
    }

    /// When the given part of its life is left, as one over `part`.
    pub fn when_left(&self, part: i32) -> Timestamp {
        let left = self.until.duration_since(self.from) / part;
        self.until.saturating_sub(left).unwrap_or(self.until)
    }

    /// What tells it from all others.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::digest(&self.der);
        let half = digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
        Fingerprint(format!("{half:032x}"))
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} until {})", self.fingerprint(), self.until)
    }
}

/// The first half of a certificate's SHA-256, in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl From<&str> for Fingerprint {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The blocks of a PEM text that call themselves certificates.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let block = |(start, _)| {
        let rest: &str = &text[start..];
        rest.find(END).map(|end| &rest[..end + END.len()])
    };
    text.match_indices(BEGIN).filter_map(block).take(MOST)
}

/// A moment in a certificate; those beyond what we can tell (some mean "for ever") are the nearest that we can.
fn timestamp(second: i64) -> Timestamp {
    let nearest = if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(second).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{at, authority};

    #[test]
    fn reads_what_is_between_other_text() {
        let (a, b) = (authority(), authority());
        let text = format!("# mine\n{}rest\n{}", a.certificate.pem(), b.certificate.pem());
        let read = Certificate::read_all(text.as_bytes()).unwrap();
        assert_eq!(read, [a.certificate, b.certificate]);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(Certificate::read_all(b"\n"), Err(Unreadable::Missing));
        let broken = format!("{BEGIN}\nAAAA\n{END}\n");
        let open = format!("{BEGIN}\nAAAA\n");
        for wrong in [b"hello".as_slice(), b"\xff", broken.as_bytes(), open.as_bytes()] {
            assert_eq!(Certificate::read_all(wrong), Err(Unreadable::Garbage));
        }
        let good = authority().certificate;
        let mixed = format!("{broken}{}", good.pem());
        assert_eq!(Certificate::read_all(mixed.as_bytes()), Err(Unreadable::Garbage));
        assert_eq!(Certificate::read_some(mixed.as_bytes()), [good]);
    }

    #[test]
    fn life_is_counted_in_parts() {
        let certificate = authority().certificate;
        assert!(certificate.is_valid(at(0)) && !certificate.is_valid(certificate.until()));
        let third = certificate.until().duration_since(certificate.from()) / 3;
        assert_eq!(certificate.when_left(3), certificate.until() - third);
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text: Vec<u8>, inner in "[-A-Za-z0-9+/= \n]{0,200}") {
            let framed = format!("{BEGIN}\n{inner}\n{END}");
            for bytes in [text.as_slice(), framed.as_bytes()] {
                let _ = (Certificate::read_all(bytes), Certificate::read_some(bytes));
                let _ = crate::key::PrivateKey::read(bytes);
            }
        }
    }
}
