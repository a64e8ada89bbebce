//! A bundle: the authorities that the API server is told to trust.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::ServerName,
};

use crate::{certificate::Certificate, clock::unix, leaf::Leaf, resolver::provider, settings::Names};

/// Why an API server with this bundle would hang up on us.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// The bundle holds nothing that is valid now.
    #[error("it has no authority that is valid now")]
    Empty,
    /// The certificate is not valid yet, or not any more, or not for this name, or of another authority.
    #[error("{0}")]
    Refused(rustls::Error),
}

/// Authorities, each once, always in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle(Vec<Certificate>);

impl Bundle {
    /// A bundle of these.
    pub fn of<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Self {
        let mut all: Vec<_> = certificates.into_iter().cloned().collect();
        all.sort_by(|a, b| a.der().cmp(b.der()));
        all.dedup();
        Self(all)
    }

    /// What can be read in a published bundle.
    pub fn read(text: &[u8]) -> Self {
        Self::of(&Certificate::read_some(text))
    }

    /// As it is published.
    pub fn pem(&self) -> String {
        self.0.iter().map(Certificate::pem).collect()
    }

    /// What is in it.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Whether it is in it.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.0.contains(certificate)
    }

    /// Whether an API server that has this bundle talks to a server that shows this certificate.
    ///
    /// # Errors
    /// When it would not; says why.
    pub fn trusts(&self, leaf: &Leaf, name: &ServerName<'_>, now: Timestamp) -> Result<(), Distrust> {
        let mut roots = RootCertStore::empty();
        // The verifier takes roots as they are; the API server's looks at their validity and purpose as well, unless
        // the root is the very certificate that is shown.
        let usable = |c: &&Certificate| c.is_valid(now) && (c.may_sign() || *c == leaf.certificate());
        roots.add_parsable_certificates(self.0.iter().filter(usable).map(|c| c.der().clone()));
        if roots.is_empty() {
            return Err(Distrust::Empty);
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider().clone())
            .build()
            .map_err(|_| Distrust::Empty)?;
        let between: Vec<_> = leaf.intermediates().iter().map(|c| c.der().clone()).collect();
        verifier
            .verify_server_cert(leaf.certificate().der(), &between, name, &[], unix(now))
            .map_err(Distrust::Refused)?;
        Ok(())
    }

    /// The same for every one of our names.
    ///
    /// # Errors
    /// When it would not; says why.
    pub fn trusts_all(&self, leaf: &Leaf, names: &Names, now: Timestamp) -> Result<(), Distrust> {
        names.each().try_for_each(|name| self.trusts(leaf, name, now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::after;
    use crate::tests::{LEAF, at, authority, names};

    fn refused(result: Result<(), Distrust>, with: &str) {
        let error = result.expect_err("it is trusted");
        assert!(format!("{error}").contains(with), "{error}");
    }

    #[test]
    fn only_its_own_authority_makes_a_leaf_trusted() {
        let (a, b) = (authority(), authority());
        let leaf = a.issue(&names(), LEAF, at(0)).unwrap();
        let both = Bundle::of([&a.certificate, &b.certificate]);
        both.trusts_all(&leaf, &names(), at(0)).unwrap();
        let other = Bundle::of([&b.certificate]);
        refused(other.trusts_all(&leaf, &names(), at(0)), "UnknownIssuer");
        refused(
            Bundle::default().trusts_all(&leaf, &names(), at(0)),
            "no authority",
        );
    }

    #[test]
    fn nothing_is_trusted_out_of_time_or_under_another_name() {
        let a = authority();
        let leaf = a.issue(&names(), LEAF, at(0)).unwrap();
        let bundle = Bundle::of([&a.certificate]);
        let late = after(leaf.certificate().until(), Duration::from_secs(1));
        refused(bundle.trusts_all(&leaf, &names(), late), "expired");
        refused(
            bundle.trusts_all(&leaf, &names(), a.certificate.until()),
            "no authority",
        );
        let other = ServerName::try_from("other.kymaros.svc").unwrap();
        refused(bundle.trusts(&leaf, &other, at(0)), "not valid for name");
    }

    #[test]
    fn a_bundle_reads_the_same_in_any_order() {
        let (a, b) = (authority().certificate, authority().certificate);
        assert_eq!(Bundle::of([&a, &b, &a]).pem(), Bundle::of([&b, &a]).pem());
        let text = format!("junk{}{}", b.pem(), a.pem());
        assert_eq!(Bundle::read(text.as_bytes()), Bundle::of([&a, &b]));
        assert_eq!(Bundle::read(b"junk"), Bundle::default());
    }
}
