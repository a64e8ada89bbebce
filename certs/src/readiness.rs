//! Whether the API server can talk to us, and how long the certificates last.

use std::fmt;

use jiff::Timestamp;
use rustls::{client::verify_server_name, server::ParsedCertificate};

use crate::{
    certificate::Certificate,
    fence::{Fence, Flaw},
    leaf::Leaf,
    published::{Configuration, Live, Sight, Sights},
    settings::Names,
    stored::Stored,
};

/// A warning is due when one over this of a life is left: renewal should have happened long before.
const WORRY: i32 = 10;

/// What puts back what somebody took away or added: an upgrade leaves what it did not write. The authority of the
/// certificate follows by itself.
const REMEDY: &str =
    "delete it, and upgrade the release with its chart again, or apply what the chart renders";
/// The same of one that is not there.
const COMES_BACK: &str = "upgrade the release with its chart again, or apply what the chart renders";

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
    /// None of the configurations exists.
    NotInstalled {
        /// Kind and name of one.
        configuration: String,
    },
    /// A webhook that must be there is not, or leaves something out.
    Weakened {
        /// Kind and name of the configuration.
        configuration: String,
        /// The webhook in it.
        webhook: String,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The certificate is served, valid, and trusted by every webhook; those that must be there are as they were meant.
    Ready,
}

impl Readiness {
    /// Whether everything is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    /// Whether the API server gets an answer wherever it is told to ask.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::NotInstalled { .. } | Self::Weakened { .. } | Self::Ready
        )
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("the certificates have not been looked at yet"),
            Self::NoCertificate => f.write_str("there is no certificate yet"),
            Self::NotValid { why } => write!(f, "the certificate is not valid: {why}"),
            Self::NotSeen { configuration } => write!(f, "{configuration} has not been looked at yet"),
            Self::Missing { configuration } | Self::NotInstalled { configuration } => {
                write!(f, "{configuration} does not exist; {COMES_BACK}")
            }
            Self::NotTrusted {
                configuration,
                webhook,
                why,
            } => write!(
                f,
                "{configuration}, webhook {webhook}, does not trust the certificate: {why}"
            ),
            Self::Weakened {
                configuration,
                webhook,
                flaw,
            } => write!(f, "{configuration}, webhook {webhook}: {flaw}; {REMEDY}"),
            Self::Ready => f.write_str("ready"),
        }
    }
}

/// Whether the API server can talk to a server that shows this certificate, and does it by all of these.
#[must_use]
pub fn readiness(
    served: Option<&Leaf>,
    sights: &Sights,
    fences: &[Fence],
    names: &Names,
    now: Timestamp,
) -> Readiness {
    let Some(served) = served else {
        return Readiness::NoCertificate;
    };
    if let Some(why) = invalid(served, names, now) {
        return Readiness::NotValid { why };
    }
    let obstacle = |(configuration, sight): (&_, &_)| obstacle(served, configuration, sight, names, now);
    // Those in the way of an answer come first: what is reachable is so everywhere.
    let obstacles = sights.iter().filter_map(obstacle);
    let is_installed = sights.values().any(|sight| *sight != Sight::Absent);
    let absent = sights.iter().filter_map(|sight| absent(sight, is_installed));
    let weakened = fences.iter().filter_map(|fence| weakened(fence, sights));
    let mut all = obstacles.chain(absent).chain(weakened);
    all.next().unwrap_or(Readiness::Ready)
}

fn absent((configuration, sight): (&Configuration, &Sight<Live>), is_installed: bool) -> Option<Readiness> {
    let configuration = configuration.to_string();
    (*sight == Sight::Absent).then_some(if is_installed {
        Readiness::Missing { configuration }
    } else {
        Readiness::NotInstalled { configuration }
    })
}

fn weakened(fence: &Fence, sights: &Sights) -> Option<Readiness> {
    Some(Readiness::Weakened {
        flaw: fence.flaw(sights)?,
        configuration: fence.configuration.to_string(),
        webhook: fence.webhook.clone(),
    })
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
        Sight::Absent => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bundle::Bundle,
        change::Change,
        clock::before,
        published::{Kind, Webhook},
        registration::Registration,
        tests::{LEAF, at, names, rules},
    };

    fn stored() -> Stored {
        Change::Found.apply(&Stored::default(), &rules(), at(0)).unwrap()
    }

    fn with(sight: Sight<Live>) -> Sights {
        let name = "one".to_owned();
        let configuration = Configuration {
            kind: Kind::Validating,
            name,
        };
        [(configuration, sight)].into()
    }

    fn bundles(bundles: &[Bundle]) -> Sights {
        let webhook = |(index, bundle): (usize, &Bundle)| Webhook {
            name: format!("webhook-{index}"),
            text: Vec::new(),
            bundle: bundle.clone(),
            registration: Registration::default(),
        };
        with(Sight::Present(Live {
            version: String::new(),
            webhooks: bundles.iter().enumerate().map(webhook).collect(),
        }))
    }

    #[test]
    fn ready_only_when_every_webhook_trusts_what_is_served() {
        let stored = stored();
        let leaf = stored.leaf.as_ref();
        let bundle = Bundle::of([&stored.authority.as_ref().unwrap().authority.certificate]);
        let told = |sights: &Sights| readiness(leaf, sights, &[], &names(), at(0)).to_string();
        let trusting = bundles(&[bundle.clone(), bundle.clone()]);
        assert_eq!(told(&trusting), "ready");
        assert_eq!(
            told(&bundles(&[bundle.clone(), Bundle::default()])),
            "ValidatingWebhookConfiguration one, webhook webhook-1, does not trust the certificate: it has no authority \
             that is valid now"
        );
        assert_eq!(
            told(&with(Sight::Absent)),
            format!("ValidatingWebhookConfiguration one does not exist; {COMES_BACK}")
        );
        let one_of_two = |other: Sight<Live>| {
            let mut sights = with(Sight::Absent);
            let configuration = Configuration {
                kind: Kind::Mutating,
                name: "two".to_owned(),
            };
            sights.insert(configuration, other);
            readiness(leaf, &sights, &[], &names(), at(0))
        };
        let there = trusting.values().next().unwrap().clone();
        assert!(matches!(one_of_two(there), Readiness::Missing { .. }));
        assert!(matches!(
            one_of_two(Sight::Absent),
            Readiness::NotInstalled { .. }
        ));
        let not_seen = told(&with(Sight::NotSeen));
        assert_eq!(
            not_seen,
            "ValidatingWebhookConfiguration one has not been looked at yet"
        );
        assert_eq!(
            readiness(None, &trusting, &[], &names(), at(0)),
            Readiness::NoCertificate
        );
    }

    #[test]
    fn not_ready_without_a_fence_and_reachable_all_the_same() {
        let stored = stored();
        let bundle = Bundle::of([&stored.authority.as_ref().unwrap().authority.certificate]);
        let fence = |webhook: &str, fails_closed| Fence {
            configuration: Configuration {
                kind: Kind::Validating,
                name: "one".to_owned(),
            },
            webhook: webhook.to_owned(),
            meant: Registration {
                fails_closed,
                ..Registration::default()
            },
        };
        let told = |sights: &Sights, fence| {
            let readiness = readiness(stored.leaf.as_ref(), sights, &[fence], &names(), at(0));
            (readiness.is_reachable(), readiness.to_string())
        };
        let there = bundles(&[bundle]);
        assert_eq!(
            told(&there, fence("webhook-0", false)),
            (true, "ready".to_owned())
        );
        let weakened = |webhook: &str, flaw: &str| {
            let configuration = "ValidatingWebhookConfiguration one";
            (
                true,
                format!("{configuration}, webhook {webhook}: {flaw}; {REMEDY}"),
            )
        };
        assert_eq!(
            told(&there, fence("webhook-0", true)),
            weakened("webhook-0", "its failurePolicy is Ignore, not Fail")
        );
        assert_eq!(
            told(&there, fence("webhook-1", true)),
            weakened("webhook-1", "it is not there")
        );
        // Right after an installation the bundle is empty: that comes first, and nobody gets an answer.
        let (reachable, why) = told(&bundles(&[Bundle::default()]), fence("webhook-1", true));
        assert!(!reachable && why.contains("does not trust"), "{why}");
        let (reachable, why) = told(&with(Sight::Absent), fence("webhook-0", true));
        assert!(reachable && why.contains("does not exist"), "{why}");
    }

    #[test]
    fn not_ready_out_of_time_or_under_another_name() {
        let leaf = stored().leaf.unwrap();
        let told = |names: &Names, now| readiness(Some(&leaf), &Sights::new(), &[], names, now);
        assert!(told(&names(), at(0)).is_ready());
        let other = Names::new(["other.kymaros.svc".to_owned()]).unwrap();
        for readiness in [
            told(&other, at(0)),
            told(&names(), leaf.certificate().until()),
            told(&names(), before(leaf.certificate().from(), LEAF)),
        ] {
            assert!(matches!(readiness, Readiness::NotValid { .. }), "{readiness}");
        }
    }

    #[test]
    fn warns_only_when_renewal_is_long_overdue() {
        let stored = stored();
        let leaf = stored.leaf.as_ref().unwrap();
        let until = leaf.certificate().until();
        let told = |error, now| expiry(&stored, Some(leaf), error, now).warning;
        assert_eq!(told(Some("no"), before(until, LEAF / 4)), None);
        let warning =
            format!("the certificate of the webhooks expires at {until} and is not renewed: forbidden");
        assert_eq!(told(Some("forbidden"), before(until, LEAF / 11)), Some(warning));
        let worried = leaf.certificate().when_left(WORRY);
        assert_eq!(wake(&stored, Some(leaf), at(1)), Some(worried));
    }
}
