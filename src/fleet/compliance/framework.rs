//! What somebody is audited by.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::fleet::view::Scope;

/// What somebody is audited by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// SOC 2, Trust Services Criteria of 2017 with the points of focus of 2022.
    Soc2,
    /// ISO/IEC 27001:2022, Annex A.
    Iso27001,
    /// Regulation (EU) 2022/2554.
    Dora,
}

impl Framework {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Soc2, Self::Iso27001, Self::Dora];

    /// In addresses and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soc2 => "soc2",
            Self::Iso27001 => "iso27001",
            Self::Dora => "dora",
        }
    }

    /// Whether its figures name namespaces and their backups.
    #[must_use]
    pub fn tells_of_backups(self) -> bool {
        self == Self::Iso27001
    }

    /// Whether whoever asks for it must be one who may list backups. Of the namespaces that the tests of one namespace restore,
    /// whoever sees these tests sees it anyway.
    #[must_use]
    pub fn is_for_those_who_list_backups(self, scope: &Scope) -> bool {
        self.tells_of_backups() && *scope == Scope::All
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Soc2 => "SOC 2",
            Self::Iso27001 => "ISO/IEC 27001:2022",
            Self::Dora => "DORA, Regulation (EU) 2022/2554",
        }
    }
}

impl FromStr for Framework {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|framework| framework.as_str() == text);
        found.ok_or_else(|| "is no framework; write soc2, iso27001 or dora".to_owned())
    }
}
