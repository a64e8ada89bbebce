//! Why the Community tier applies.

use jiff::Timestamp;
use thiserror::Error;

use super::{InvalidExpiry, SigningSecret};
use crate::reason::LicenseReason;

/// Why the Community tier applies. None of the texts repeats a value of the Secret but the day it expires.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The Secret has not been looked up yet.
    #[error("the license has not been read yet")]
    NotRead,
    /// The Secret cannot be read, which says nothing about whether there is one.
    #[error("the Secret of the license cannot be read: {0}")]
    Unreadable(String),
    /// There is no Secret.
    #[error("there is no license: its Secret does not exist")]
    NoSecret,
    /// The Secret lacks a key.
    #[error("the license has no {0}; its Secret needs the keys tier and key, and may have expires")]
    Missing(&'static str),
    /// A value of the Secret is not text.
    #[error("the license's {0} is not text")]
    NotText(&'static str),
    /// The tier is not one.
    #[error("the license's tier is not known; it is team or enterprise")]
    UnknownTier,
    /// It is a license for what everybody has.
    #[error("the license is for the Community tier")]
    Community,
    /// Nothing to verify a license with.
    #[error(
        "the license cannot be verified: this build has no signing secret, and {} is not set",
        SigningSecret::VARIABLE
    )]
    NoSigningSecret,
    /// A trial key of old, which carried no signature.
    #[error("trial keys (KYM-TRIAL-...) are not taken; ask for a signed one")]
    TrialKey,
    /// The key does not look like one.
    #[error("the license's key is not one; it is KYM-<tier>- and 16 or 64 hexadecimal digits")]
    MalformedKey,
    /// The key was signed for something else, or with another secret.
    #[error(
        "the license's key does not belong to its tier and expires{}",
        if *.has_space { "; there is a space or line break around one of them" } else { "" }
    )]
    WrongKey {
        /// Tier or day have white space around them, which is signed like everything else.
        has_space: bool,
    },
    /// The day it expires is not a day.
    #[error("the license is not valid: {0}")]
    InvalidExpiry(#[from] InvalidExpiry),
    /// It was valid once.
    #[error("the license expired at {0}")]
    Expired(Timestamp),
}

impl Refusal {
    /// The reason as one word, for conditions, events and JSON.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let reason = match self {
            Self::NotRead => LicenseReason::LicenseNotRead,
            Self::Unreadable(_) => LicenseReason::LicenseUnreadable,
            Self::NoSecret => LicenseReason::NoLicense,
            Self::Missing(_) | Self::NotText(_) | Self::UnknownTier => LicenseReason::LicenseIncomplete,
            Self::Community => LicenseReason::CommunityLicense,
            Self::NoSigningSecret => LicenseReason::LicenseNotVerifiable,
            Self::TrialKey | Self::MalformedKey | Self::WrongKey { .. } | Self::InvalidExpiry(_) => {
                LicenseReason::LicenseInvalid
            }
            Self::Expired(_) => LicenseReason::LicenseExpired,
        };
        reason.as_str()
    }

    /// Whether somebody should look after it: there is a license, and it opens nothing.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::NotRead | Self::NoSecret | Self::Community)
    }
}
