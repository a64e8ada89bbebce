//! Whether the API server can talk to us, and how long the certificates last.

use std::fmt;

use jiff::Timestamp;
use rustls::{client::verify_server_name, server::ParsedCertificate};

use crate::{
    certificate::Certificate,
    leaf::Leaf,
    published::{Configuration, Live, Sight, Sights},
    settings::Names,
    stored::Stored,
};

/// A warning is due when one over this of a life is left: renewal should have happened long before.
const WORRY: i32 = 10;

/// Whether the API server can talk to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It is not known yet what there is.
    #[default]
    Starting,
    /// There is no certificate.
    NoCertificate,
    /// The certificate is not valid now, or not for the name of the Service.
    NotValid {
        /// Why not.
        why: String,
    },
    /// A webhook configuration has not been looked at yet, for example because that is not allowed.
    NotSeen {
        /// Kind and name.
        configuration: String,
    },
    /// A webhook configuration does not exist (yet).
    Missing {
        /// Kind and name.
        configuration: String,
    },
    /// The API server would hang up on us.
    NotTrusted {
        /// Kind and name of the configuration.
        configuration: String,
        /// The webhook in it.
        webhook: String,
        /// Why.
        why: String,
    },
    /// The certificate is served, valid, and trusted by every webhook.
    Ready,
}

impl Readiness {
    /// Whether everything is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("the certificates have not been looked at yet"),
            Self::NoCertificate => f.write_str("there is no certificate yet"),
            Self::NotValid { why } => write!(f, "the certificate is not valid: {why}"),
            Self::NotSeen { configuration } => write!(f, "{configuration} has not been looked at yet"),
            Self::Missing { configuration } => write!(f, "{configuration} does not exist"),
            Self::NotTrusted {
                configuration,
                webhook,
                why,
            } => write!(
                f,
                "{configuration}, webhook {webhook}, does not trust the certificate: {why}"
            ),
            Self::Ready => f.write_str("ready"),
        }
    }
}

/// Whether the API server can talk to a server that shows this certificate.
#[must_use]
pub fn readiness(served: Option<&Leaf>, sights: &Sights, names: &Names, now: Timestamp) -> Readiness {
    let Some(served) = served else {
        return Readiness::NoCertificate;
    };
    if let Some(why) = invalid(served, names, now) {
        return Readiness::NotValid { why };
    }
    let obstacle = |(configuration, sight): (&_, &_)| obstacle(served, configuration, sight, names, now);
    sights.iter().find_map(obstacle).unwrap_or(Readiness::Ready)
}

fn invalid(served: &Leaf, names: &Names, now: Timestamp) -> Option<String> {
    let certificate = served.certificate();
    if now < certificate.from() {
        return Some(format!("it begins at {}", certificate.from()));
    }
    if certificate.until() <= now {
        return Some(format!("it ended at {}", certificate.until()));
    }
    let parsed = ParsedCertificate::try_from(certificate.der());
    let fits = parsed.and_then(|parsed| verify_server_name(&parsed, names.service()));
    fits.err().map(|error| error.to_string())
}

fn obstacle(
    served: &Leaf,
    configuration: &Configuration,
    sight: &Sight<Live>,
    names: &Names,
    now: Timestamp,
) -> Option<Readiness> {
    let configuration = configuration.to_string();
    match sight {
        Sight::NotSeen => Some(Readiness::NotSeen { configuration }),
        Sight::Absent => Some(Readiness::Missing { configuration }),
        Sight::Present(live) => live.webhooks.iter().find_map(|webhook| {
            let distrust = webhook.bundle.trusts(served, names.service(), now).err()?;
            Some(Readiness::NotTrusted {
                configuration: configuration.clone(),
                webhook: webhook.name.clone(),
                why: distrust.to_string(),
            })
        }),
    }
}

/// How long the certificates last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// When the authority expires; none when it is not known.
    pub authority: Option<Timestamp>,
    /// When the served certificate expires.
    pub leaf: Option<Timestamp>,
    /// Something expires soon, and its renewal is overdue: what, when, and the last error.
    pub warning: Option<String>,
}

/// How long they last. `error` is the last thing that went wrong.
#[must_use]
pub fn expiry(stored: &Stored, served: Option<&Leaf>, error: Option<&str>, now: Timestamp) -> Expiry {
    let authority = stored.authority.as_ref().map(|a| &a.authority.certificate);
    let leaf = served.map(Leaf::certificate);
    let worry = |what: &str, certificate: Option<&Certificate>| {
        let until = certificate.filter(|c| c.when_left(WORRY) <= now)?.until();
        let error = error.map_or(String::new(), |e| format!(": {e}"));
        Some(format!(
            "the {what} of the webhooks expires at {until} and is not renewed{error}"
        ))
    };
    Expiry {
        authority: authority.map(Certificate::until),
        leaf: leaf.map(Certificate::until),
        warning: worry("certificate", leaf).or_else(|| worry("authority", authority)),
    }
}

/// The next moment at which one of these may change by itself.
#[must_use]
pub fn wake(stored: &Stored, served: Option<&Leaf>, now: Timestamp) -> Option<Timestamp> {
    let authority = stored.authority.as_ref().map(|a| &a.authority.certificate);
    let both = authority.into_iter().chain(served.map(Leaf::certificate));
    let moments = both.flat_map(|c| [c.from(), c.until(), c.when_left(WORRY)]);
    moments.filter(|moment| now < *moment).min()
}
