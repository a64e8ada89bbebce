//! What the certificates are for and how long they live.

use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::fence::Fence;

/// Where certificates come from, where they go, and for whom they are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Names that the API server may call us by.
    pub names: Names,
    /// The webhook configurations that call us.
    pub configurations: Configurations,
    /// Webhooks that must be in them as they were meant.
    pub fences: Vec<Fence>,
    /// Who makes the certificates.
    pub source: Source,
}

/// Who makes the certificates.
#[derive(Clone, Debug)]
pub enum Source {
    /// We do, with an authority of our own. It is kept in this Secret, together with the certificate.
    Own {
        /// Name of the Secret; made when it is not there.
        secret: String,
        /// How long things last.
        lifetimes: Lifetimes,
    },
    /// Somebody else does, such as cert-manager, and publishes the authority as well.
    Foreign {
        /// Name of the Secret with `tls.crt`, `tls.key` and, if known, `ca.crt`.
        secret: String,
    },
}

impl Source {
    /// The name of the Secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::Own { secret, .. } | Self::Foreign { secret } => secret,
        }
    }
}

/// Names of webhook configurations.
#[derive(Clone, Debug, Default)]
pub struct Configurations {
    /// Objects of kind `ValidatingWebhookConfiguration`.
    pub validating: Vec<String>,
    /// Objects of kind `MutatingWebhookConfiguration`.
    pub mutating: Vec<String>,
}

/// The names in the certificate. The first is the one that the API server uses: `<service>.<namespace>.svc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    service: ServerName<'static>,
    others: Vec<ServerName<'static>>,
}

/// Names that no certificate can be made for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidNames {
    /// There is none.
    #[error("a certificate needs a name, such as \"kymaros-webhooks.kymaros.svc\"")]
    Empty,
    /// One is neither a DNS name nor an address.
    #[error("{0:?} is not a DNS name")]
    NotDns(String),
}

impl Names {
    /// Checks the names.
    ///
    /// # Errors
    /// When there is none, or one is not a DNS name.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, InvalidNames> {
        let parse = |name: String| ServerName::try_from(name.clone()).map_err(|_| InvalidNames::NotDns(name));
        let mut names = names.into_iter().map(parse);
        Ok(Self {
            service: names.next().ok_or(InvalidNames::Empty)??,
            others: names.collect::<Result<_, _>>()?,
        })
    }

    /// The name that the API server uses.
    #[must_use]
    pub fn service(&self) -> &ServerName<'static> {
        &self.service
    }

    /// All of them.
    pub fn each(&self) -> impl Iterator<Item = &ServerName<'static>> {
        std::iter::once(&self.service).chain(&self.others)
    }
}

/// How long things last. Each is renewed when a third of its life is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    authority: Duration,
    leaf: Duration,
    propagation: Duration,
}

/// Lifetimes with which nothing could be renewed in time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidLifetimes {
    /// Times in certificates are whole seconds.
    #[error("a certificate must live at least {} seconds", LEAST.as_secs())]
    TooShort,
    /// An issuer must outlive what it issues.
    #[error("a certificate must not outlive its authority")]
    LeafOutlivesAuthority,
    /// The last third of an authority's life must be enough to publish the next one.
    #[error("an authority must live at least four times as long as its publication takes")]
    PropagationTooLong,
    /// Far beyond what a certificate can say.
    #[error("an authority must live at most 100 years")]
    TooLong,
}

const LEAST: Duration = Duration::from_secs(3);
const MOST: Duration = Duration::from_hours(100 * 365 * 24);

impl Lifetimes {
    /// Checks them against each other. `propagation` is how long an API server may take to notice a new bundle.
    ///
    /// # Errors
    /// When nothing could be renewed in time.
    pub fn new(authority: Duration, leaf: Duration, propagation: Duration) -> Result<Self, InvalidLifetimes> {
        if leaf < LEAST {
            Err(InvalidLifetimes::TooShort)
        } else if leaf > authority {
            Err(InvalidLifetimes::LeafOutlivesAuthority)
        } else if authority > MOST {
            Err(InvalidLifetimes::TooLong)
        } else if propagation > authority / 4 {
            Err(InvalidLifetimes::PropagationTooLong)
        } else {
            Ok(Self {
                authority,
                leaf,
                propagation,
            })
        }
    }

    /// Of an authority.
    #[must_use]
    pub fn authority(&self) -> Duration {
        self.authority
    }

    /// Of a serving certificate.
    #[must_use]
    pub fn leaf(&self) -> Duration {
        self.leaf
    }

    /// How long an API server may take to notice a new bundle. Clocks of replicas must differ by less.
    #[must_use]
    pub fn propagation(&self) -> Duration {
        self.propagation
    }
}

impl Default for Lifetimes {
    /// Ten years, 90 days, one minute.
    fn default() -> Self {
        Self {
            authority: Duration::from_hours(10 * 365 * 24),
            leaf: Duration::from_hours(90 * 24),
            propagation: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_is_the_service() {
        let names = Names::new(["a.b.svc".to_owned(), "a.b.svc.cluster.local".to_owned()]).unwrap();
        assert_eq!(names.service().to_str(), "a.b.svc");
        assert_eq!(names.each().count(), 2);
        assert_eq!(Names::new([]), Err(InvalidNames::Empty));
        let wrong = Names::new(["a.b.svc".to_owned(), "not a name".to_owned()]);
        assert_eq!(wrong, Err(InvalidNames::NotDns("not a name".into())));
    }

    #[test]
    fn lifetimes_with_which_nothing_could_be_renewed_are_refused() {
        let seconds = Duration::from_secs;
        let new = |authority, leaf, propagation| {
            Lifetimes::new(seconds(authority), seconds(leaf), seconds(propagation)).err()
        };
        assert_eq!(new(100, 10, 5), None);
        assert_eq!(new(100, 2, 5), Some(InvalidLifetimes::TooShort));
        assert_eq!(new(9, 10, 1), Some(InvalidLifetimes::LeafOutlivesAuthority));
        assert_eq!(new(100, 10, 26), Some(InvalidLifetimes::PropagationTooLong));
        assert_eq!(new(u64::MAX, 10, 5), Some(InvalidLifetimes::TooLong));
        let default = Lifetimes::default();
        let same = Lifetimes::new(default.authority, default.leaf, default.propagation);
        assert_eq!(same, Ok(default));
    }
}
