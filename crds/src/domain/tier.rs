//! What a license pays for.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A license tier. Each opens what those before it open, and more; nothing that keeps data safe is behind one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Without a license.
    #[default]
    Community,
    /// Paid.
    Team,
    /// Paid.
    Enterprise,
}

/// A text that names no tier. It is not repeated: a Secret's values may have been mixed up.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is no tier; write team or enterprise")]
pub struct UnknownTier;

impl Tier {
    /// The least tier whose tests may have `spec.additionalSources`.
    pub const ADDITIONAL_SOURCES: Self = Self::Team;

    /// How the tier is written in Secrets and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Team => "team",
            Self::Enterprise => "enterprise",
        }
    }
}

/// As people read it.
impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Community => "Community",
            Self::Team => "Team",
            Self::Enterprise => "Enterprise",
        })
    }
}

/// In any case, as 0.6.0 read it.
impl FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Community, Self::Team, Self::Enterprise];
        let found = all
            .into_iter()
            .find(|tier| tier.as_str().eq_ignore_ascii_case(text));
        found.ok_or(UnknownTier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_read_in_any_case_and_ordered() {
        for (text, tier) in [
            ("community", Tier::Community),
            ("Team", Tier::Team),
            ("ENTERPRISE", Tier::Enterprise),
        ] {
            assert_eq!(text.parse(), Ok(tier), "{text}");
        }
        for text in ["", "team ", "trial", "teams"] {
            assert_eq!(text.parse::<Tier>(), Err(UnknownTier), "{text:?}");
        }
        assert!(Tier::Community < Tier::ADDITIONAL_SOURCES && Tier::ADDITIONAL_SOURCES < Tier::Enterprise);
    }
}
