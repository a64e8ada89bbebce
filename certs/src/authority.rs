//! The authority: made here, and issues serving certificates.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};

use crate::{
    bundle::{Bundle, Distrust},
    certificate::Certificate,
    clock::{after, before, seconds},
    key::{PrivateKey, Unreadable},
    leaf::Leaf,
    settings::Names,
};

/// A certificate begins to be valid a little before it is made, for clocks that are behind ours.
const BACKDATED: Duration = Duration::from_hours(1);

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority cannot sign.
    #[error("the authority has no key")]
    NoKey,
    /// The library refused.
    #[error("cannot sign a certificate: {0}")]
    Sign(#[from] rcgen::Error),
    /// The key, or what was made, cannot be read.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// What was made does not hold, for example because the authority is limited to other names.
    #[error("what it signs does not hold: {0}")]
    Distrusted(#[from] Distrust),
}

/// An authority. Without its key it is still trusted, but cannot sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key, tried out.
    pub key: Option<PrivateKey>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn found(life: Duration, now: Timestamp) -> Result<Self, IssueError> {
        let pair = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        valid(&mut parameters, before(now, backdated(life)), after(now, life));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // A name of its own, so that an old authority and a new one are not mistaken for each other.
        let id = parameters.key_identifier(&pair);
        let id = id.first_chunk().map_or(0, |start| u32::from_be_bytes(*start));
        let name = &mut parameters.distinguished_name;
        name.remove(DnType::CommonName);
        name.push(DnType::CommonName, format!("kymaros webhook authority {id:08x}"));
        let certificate = one(&parameters.self_signed(&pair)?.pem())?;
        Ok(Self {
            certificate,
            key: Some(PrivateKey::from(&pair)),
        })
    }

    /// Reads a certificate, PEM; of several, the first is the authority.
    ///
    /// # Errors
    /// When there is none, or it may not sign.
    pub fn read(certificate: &[u8]) -> Result<Self, Unreadable> {
        let certificate = one_of(Certificate::read_all(certificate)?)?;
        if !certificate.may_sign() {
            return Err(Unreadable::NotAnAuthority);
        }
        Ok(Self {
            certificate,
            key: None,
        })
    }

    /// The authority with its key, PEM. The key is tried out: a certificate for `names` is made with it.
    ///
    /// # Errors
    /// When it cannot be read, or what it signs does not hold.
    pub fn with_key(&self, key: &[u8], names: &Names) -> Result<Self, IssueError> {
        let key = PrivateKey::read(key)?;
        let x509 = x509_parser::parse_x509_certificate(self.certificate.der());
        let (_, x509) = x509.map_err(|_| Unreadable::Garbage)?;
        if key.signing()?.subject_public_key_info() != x509.public_key().raw {
            return Err(Unreadable::WrongKey.into());
        }
        let whole = Self {
            key: Some(key),
            ..self.clone()
        };
        whole.issue(names, BACKDATED, whole.certificate.from())?;
        Ok(whole)
    }

    /// A serving certificate for these names. It does not outlive the authority.
    ///
    /// # Errors
    /// When the authority has no key, or what it signs does not hold.
    pub fn issue(&self, names: &Names, life: Duration, now: Timestamp) -> Result<Leaf, IssueError> {
        let key = self.key.as_ref().ok_or(IssueError::NoKey)?.signing()?;
        let issuer = Issuer::from_ca_cert_der(self.certificate.der(), key)?;
        let pair = KeyPair::generate()?;
        let texts: Vec<_> = names.each().map(|n| n.to_str().into_owned()).collect();
        let mut parameters = CertificateParams::new(texts)?;
        let from = before(now, backdated(life)).max(self.certificate.from());
        valid(&mut parameters, from, self.last_moment(life, now));
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let name = &mut parameters.distinguished_name;
        name.remove(DnType::CommonName);
        name.push(DnType::CommonName, "kymaros webhooks");
        let certificate = one(&parameters.signed_by(&pair, &issuer)?.pem())?;
        let leaf = Leaf::new(certificate, Vec::new(), PrivateKey::from(&pair))?;
        Bundle::of([&self.certificate]).trusts_all(&leaf, names, now)?;
        Ok(leaf)
    }

    /// Whether it has a key and is valid.
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.key.is_some() && self.certificate.is_valid(now)
    }

    /// How long a serving certificate would last that was made now.
    pub fn last_moment(&self, life: Duration, now: Timestamp) -> Timestamp {
        after(now, life).min(self.certificate.until())
    }
}

fn backdated(life: Duration) -> Duration {
    BACKDATED.min(life / 10)
}

fn one(pem: &str) -> Result<Certificate, Unreadable> {
    one_of(Certificate::read_all(pem.as_bytes())?)
}

fn one_of(certificates: Vec<Certificate>) -> Result<Certificate, Unreadable> {
    certificates.into_iter().next().ok_or(Unreadable::Missing)
}

/// When a certificate is valid. The library's type for moments has no name here.
fn valid(parameters: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + seconds(from);
    parameters.not_after = epoch + seconds(until);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{LEAF, at, authority, names};

    #[test]
    fn what_it_issues_holds_and_does_not_outlive_it() {
        let authority = authority();
        let leaf = authority.issue(&names(), LEAF, at(10)).unwrap();
        assert_eq!(leaf.certificate().until(), after(at(10), LEAF));
        let last = authority.certificate.until() - Duration::from_secs(5);
        let leaf = authority.issue(&names(), LEAF, last).unwrap();
        assert_eq!(leaf.certificate().until(), authority.certificate.until());
        assert!(
            authority
                .issue(&names(), LEAF, authority.certificate.until())
                .is_err()
        );
    }

    #[test]
    fn reads_itself_back_and_tries_its_key() {
        let whole = authority();
        let read = Authority::read(whole.certificate.pem().as_bytes()).unwrap();
        assert!(matches!(
            read.issue(&names(), LEAF, at(0)),
            Err(IssueError::NoKey)
        ));
        let key = whole.key.clone().unwrap();
        assert_eq!(read.with_key(key.pem().as_bytes(), &names()).unwrap(), whole);
        let foreign = authority().key.unwrap();
        let wrong = read.with_key(foreign.pem().as_bytes(), &names());
        assert!(matches!(wrong, Err(IssueError::Unreadable(Unreadable::WrongKey))));
        assert!(read.with_key(b"key", &names()).is_err());
    }

    #[test]
    fn a_serving_certificate_is_no_authority() {
        let leaf = authority().issue(&names(), LEAF, at(0)).unwrap();
        let read = Authority::read(leaf.pem().as_bytes());
        assert_eq!(read, Err(Unreadable::NotAnAuthority));
    }

    #[test]
    fn an_authority_for_other_names_is_found_out() {
        let pair = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        valid(&mut parameters, at(0), at(1000));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("example.com".into())],
            excluded_subtrees: Vec::new(),
        });
        let pem = parameters.self_signed(&pair).unwrap().pem();
        let limited = Authority::read(pem.as_bytes()).unwrap();
        let tried = limited.with_key(PrivateKey::from(&pair).pem().as_bytes(), &names());
        assert!(matches!(tried, Err(IssueError::Distrusted(_))), "{tried:?}");
    }
}
