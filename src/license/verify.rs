//! What a license opens: a pure function of the Secret, the signing secret and the time.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kymaros_crds::domain::Tier;
use kymaros_webhooks::validate::Licensed;

use super::{Refusal, SigningSecret, expiry, key};

/// The license that applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum License {
    /// A signed one that has not expired.
    Valid {
        /// What it opens; never [`Tier::Community`].
        tier: Tier,
        /// Its last moment; `None`: it has no end.
        expires: Option<Timestamp>,
    },
    /// None that opens anything.
    Community(Refusal),
}

/// The values of the Secret, as they stand there.
#[derive(Clone, PartialEq, Eq)]
pub struct LicenseSecret {
    /// `team` or `enterprise`, in any case.
    pub tier: String,
    /// `KYM-<tier>-<signature>`.
    pub key: String,
    /// `YYYY-MM-DD`; empty: without an end.
    pub expires: String,
}

impl License {
    /// What is open.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self {
            Self::Valid { tier, .. } => *tier,
            Self::Community(_) => Tier::Community,
        }
    }

    /// What admission needs to know of it; `None` until the Secret has been looked up once, because nothing may be
    /// refused for a license that is only on its way.
    #[must_use]
    pub fn known(&self) -> Option<Licensed> {
        let why = match self {
            Self::Community(Refusal::NotRead) => return None,
            Self::Community(refusal) => Some(refusal.to_string()),
            Self::Valid { .. } => None,
        };
        let tier = self.tier();
        Some(Licensed { tier, why })
    }
}

/// One line for logs and people.
impl fmt::Display for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid {
                tier,
                expires: Some(end),
            } => write!(f, "{tier} until {end}"),
            Self::Valid { tier, expires: None } => write!(f, "{tier} without an end"),
            Self::Community(refusal) => write!(f, "{}: {refusal}", Tier::Community),
        }
    }
}

/// Never the key.
impl fmt::Debug for LicenseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseSecret").finish_non_exhaustive()
    }
}

impl LicenseSecret {
    /// Takes the values out of a Secret. What stands in `stringData` wins, as when it is applied.
    ///
    /// # Errors
    /// [`Refusal::Missing`] and [`Refusal::NotText`].
    pub fn read(secret: &Secret) -> Result<Self, Refusal> {
        let value = |name: &'static str| {
            let plain = secret.string_data.as_ref().and_then(|data| data.get(name));
            if let Some(text) = plain {
                return Ok(Some(text.clone()));
            }
            let stored = secret.data.as_ref().and_then(|data| data.get(name));
            let text = stored.map(|bytes| String::from_utf8(bytes.0.clone()));
            text.transpose().map_err(|_| Refusal::NotText(name))
        };
        let filled = |name: &'static str| {
            let text = value(name)?.filter(|text| !text.is_empty());
            text.ok_or(Refusal::Missing(name))
        };
        Ok(Self {
            tier: filled("tier")?,
            key: filled("key")?,
            expires: value("expires")?.unwrap_or_default(),
        })
    }
}

/// Judges the Secret that was found, if any.
#[must_use]
pub fn of_secret(secret: Option<&Secret>, signing: Option<&SigningSecret>, now: Timestamp) -> License {
    let read = secret.map_or(Err(Refusal::NoSecret), LicenseSecret::read);
    read.map_or_else(License::Community, |secret| verify(&secret, signing, now))
}

/// Judges the values of a Secret. A license is valid up to and with 00:00:00 UTC of the day it expires.
#[must_use]
pub fn verify(secret: &LicenseSecret, signing: Option<&SigningSecret>, now: Timestamp) -> License {
    match try_verify(secret, signing, now) {
        Ok((tier, expires)) => License::Valid { tier, expires },
        Err(refusal) => License::Community(refusal),
    }
}

fn try_verify(
    secret: &LicenseSecret,
    signing: Option<&SigningSecret>,
    now: Timestamp,
) -> Result<(Tier, Option<Timestamp>), Refusal> {
    let tier: Tier = secret.tier.parse().map_err(|_| Refusal::UnknownTier)?;
    if tier == Tier::Community {
        return Err(Refusal::Community);
    }
    let signing = signing.ok_or(Refusal::NoSigningSecret)?;
    key::check(signing, &secret.tier, &secret.expires, &secret.key)?;
    let expires = expiry::parse(&secret.expires)?;
    match expires {
        Some(end) if now > end => Err(Refusal::Expired(end)),
        _ => Ok((tier, expires)),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;
    use crate::license::{InvalidExpiry, KeyLength, sign};

    fn signing() -> SigningSecret {
        SigningSecret::new("test-signing-key-12345").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn secret(tier: &str, expires: &str) -> LicenseSecret {
        LicenseSecret {
            tier: tier.into(),
            key: sign(&signing(), tier, expires, KeyLength::Short),
            expires: expires.into(),
        }
    }

    fn refusal(secret: &LicenseSecret, now: &str) -> Refusal {
        match verify(secret, Some(&signing()), at(now)) {
            License::Community(refusal) => refusal,
            License::Valid { .. } => panic!("valid"),
        }
    }

    #[test]
    fn a_signed_license_opens_its_tier_until_its_last_second() {
        let end = at("2027-12-31T00:00:00Z");
        for (now, is_valid) in [
            ("2026-01-01T00:00:00Z", true),
            ("2027-12-30T23:59:59Z", true),
            ("2027-12-31T00:00:00Z", true),
            ("2027-12-31T00:00:01Z", false),
            ("2030-01-01T00:00:00Z", false),
        ] {
            let license = verify(&secret("team", "2027-12-31"), Some(&signing()), at(now));
            let wanted = if is_valid {
                License::Valid {
                    tier: Tier::Team,
                    expires: Some(end),
                }
            } else {
                License::Community(Refusal::Expired(end))
            };
            assert_eq!(license, wanted, "{now}");
        }
    }

    #[test]
    fn without_a_day_it_never_ends_and_the_tier_may_be_written_in_capitals() {
        let license = verify(&secret("Enterprise", ""), Some(&signing()), Timestamp::MAX);
        assert_eq!(license.tier(), Tier::Enterprise);
        assert_eq!(license.to_string(), "Enterprise without an end");
    }

    #[test]
    fn everything_else_is_community_with_its_reason() {
        let now = "2026-01-01T00:00:00Z";
        assert_eq!(refusal(&secret("gold", "2027-12-31"), now), Refusal::UnknownTier);
        assert_eq!(
            refusal(&secret("community", "2027-12-31"), now),
            Refusal::Community
        );
        assert_eq!(
            refusal(&secret("team", "soon"), now),
            Refusal::InvalidExpiry(InvalidExpiry)
        );
        let trial = LicenseSecret {
            key: "KYM-TRIAL-1".into(),
            ..secret("team", "2027-12-31")
        };
        assert_eq!(refusal(&trial, now), Refusal::TrialKey);
        let stretched = LicenseSecret {
            expires: "2099-12-31".into(),
            ..secret("team", "2027-12-31")
        };
        assert_eq!(refusal(&stretched, now), Refusal::WrongKey { has_space: false });
        // A forged key is told before its day is looked at.
        let forged = LicenseSecret {
            key: "KYM-team-0000000000000000".into(),
            ..secret("team", "2020-01-01")
        };
        assert_eq!(refusal(&forged, now), Refusal::WrongKey { has_space: false });
        assert_eq!(
            verify(&secret("team", ""), None, at(now)),
            License::Community(Refusal::NoSigningSecret)
        );
        assert_eq!(
            of_secret(None, Some(&signing()), at(now)),
            License::Community(Refusal::NoSecret)
        );
    }

    #[test]
    fn a_secret_is_read_from_data_and_from_string_data() {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let mut stored = Secret {
            data: Some([("tier".into(), bytes("team")), ("key".into(), bytes("k"))].into()),
            ..Secret::default()
        };
        let read = LicenseSecret::read(&stored).unwrap();
        assert_eq!((read.tier.as_str(), read.expires.as_str()), ("team", ""));
        stored.string_data = Some([("tier".into(), "enterprise".into())].into());
        assert_eq!(LicenseSecret::read(&stored).unwrap().tier, "enterprise");
        stored.data = Some(
            [
                ("tier".into(), bytes("team")),
                ("key".into(), ByteString(vec![0xff])),
            ]
            .into(),
        );
        assert_eq!(LicenseSecret::read(&stored), Err(Refusal::NotText("key")));
        stored.data = Some([("key".into(), bytes(""))].into());
        assert_eq!(LicenseSecret::read(&stored), Err(Refusal::Missing("key")));
        assert_eq!(
            LicenseSecret::read(&Secret::default()),
            Err(Refusal::Missing("tier"))
        );
    }

    #[test]
    fn admission_learns_the_tier_and_the_reason_but_not_before_it_is_read() {
        let unread = License::Community(Refusal::NotRead);
        assert_eq!(unread.known(), None);
        let none = License::Community(Refusal::NoSecret).known().unwrap();
        assert_eq!(none.tier, Tier::Community);
        assert!(none.why.unwrap().contains("there is no license"));
        let team = verify(&secret("team", ""), Some(&signing()), Timestamp::UNIX_EPOCH);
        let (tier, why) = (Tier::Team, None);
        assert_eq!(team.known(), Some(Licensed { tier, why }));
    }

    #[test]
    fn no_text_shows_the_key() {
        let secret = secret("team", "2027-12-31");
        assert!(!format!("{secret:?}").contains("8ac6"), "{secret:?}");
        let license = verify(
            &LicenseSecret {
                expires: "KYM-team-8ac6763d8308d743".into(),
                tier: "KYM-team-8ac6763d8308d743".into(),
                ..secret
            },
            Some(&signing()),
            Timestamp::UNIX_EPOCH,
        );
        assert!(!format!("{license} {license:?}").contains("8ac6"), "{license}");
    }
}
