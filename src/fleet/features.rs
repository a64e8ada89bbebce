//! What each tier shows: the one table of it, which the API, pages and exports ask.

use kymaros_crds::domain::Tier;
use schemars::JsonSchema;
use serde::Serialize;

/// Where tiers are described.
pub const UPGRADE: &str = "https://kymaros.io/#pricing";

/// What a tier opens, under the names of 0.6.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the flags are interface")]
pub struct Features {
    /// How far back history is shown, days; 0: all of it.
    pub max_history_days: u32,
    /// Compliance by framework.
    pub compliance_page: bool,
    /// Reports as PDF.
    pub pdf_export: bool,
    /// Lists as CSV.
    pub csv_export: bool,
    /// Several backup sources in a test.
    pub multi_backup: bool,
    /// Several clusters.
    pub multi_cluster: bool,
    /// Single sign-on, as licenses of 0.6.0 name it: signing in is the same in every tier.
    pub sso: bool,
    /// Recovery times over many runs.
    pub rto_analytics: bool,
    /// Alerts of what got worse without failing.
    pub regression_alerts: bool,
    /// What took how long in a run.
    pub timeline: bool,
    /// Points by level.
    pub score_breakdown: bool,
}

/// Something that is not in every tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// [`Features::compliance_page`].
    Compliance,
    /// [`Features::pdf_export`].
    Pdf,
    /// [`Features::csv_export`].
    Csv,
    /// [`Features::rto_analytics`].
    RtoAnalytics,
    /// [`Features::regression_alerts`].
    RegressionAlerts,
    /// [`Features::timeline`].
    Timeline,
    /// [`Features::score_breakdown`].
    ScoreBreakdown,
    /// [`Features::multi_cluster`].
    SeveralClusters,
}

impl Features {
    /// What a tier opens.
    #[must_use]
    pub fn of(tier: Tier) -> Self {
        let (team, enterprise) = (tier >= Tier::Team, tier >= Tier::Enterprise);
        Self {
            max_history_days: match tier {
                Tier::Community => 7,
                Tier::Team => 90,
                Tier::Enterprise => 0,
            },
            compliance_page: team,
            pdf_export: enterprise,
            csv_export: team,
            multi_backup: tier >= Tier::ADDITIONAL_SOURCES,
            multi_cluster: enterprise,
            sso: enterprise,
            rto_analytics: team,
            regression_alerts: team,
            timeline: team,
            score_breakdown: team,
        }
    }

    /// Whether a feature is open.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::Compliance => self.compliance_page,
            Feature::Pdf => self.pdf_export,
            Feature::Csv => self.csv_export,
            Feature::RtoAnalytics => self.rto_analytics,
            Feature::RegressionAlerts => self.regression_alerts,
            Feature::Timeline => self.timeline,
            Feature::ScoreBreakdown => self.score_breakdown,
            Feature::SeveralClusters => self.multi_cluster,
        }
    }
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Compliance,
        Self::Pdf,
        Self::Csv,
        Self::RtoAnalytics,
        Self::RegressionAlerts,
        Self::Timeline,
        Self::ScoreBreakdown,
        Self::SeveralClusters,
    ];

    /// The least tier that has it.
    #[must_use]
    pub fn least_tier(self) -> Tier {
        let tiers = [Tier::Community, Tier::Team];
        let found = tiers.into_iter().find(|tier| Features::of(*tier).has(self));
        found.unwrap_or(Tier::Enterprise)
    }

    /// What is hidden without it, as one line for people.
    #[must_use]
    pub fn hidden(self) -> String {
        let what = match self {
            Self::Compliance => "Figures by framework (SOC 2, ISO 27001, DORA)",
            Self::Pdf => "Export as PDF",
            Self::Csv => "Export as CSV",
            Self::RtoAnalytics => "Recovery times over many runs",
            Self::RegressionAlerts => "Alerts of runs that got worse without failing",
            Self::Timeline => "The timeline of a run",
            Self::ScoreBreakdown => "Points by level",
            Self::SeveralClusters => "Other clusters",
        };
        let be = if matches!(self, Self::Pdf | Self::Csv | Self::Timeline) {
            "is"
        } else {
            "are"
        };
        format!("{what} {be} part of the {} tier.", self.least_tier())
    }
}

/// The answer to somebody whose tier does not have what they asked for, as 0.6.0 gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// What is needed.
    pub error: String,
    /// The tier that applies.
    pub current_tier: &'static str,
    /// The least tier that has it.
    pub required_tier: &'static str,
    /// Where tiers are described.
    #[serde(rename = "upgradeURL")]
    pub upgrade_url: &'static str,
    /// The same as one line for people.
    #[serde(skip)]
    pub line: String,
}

impl Closed {
    pub(super) fn new(feature: Feature, current: Tier) -> Self {
        let required = feature.least_tier();
        Self {
            error: format!("This feature requires Kymaros {required}"),
            current_tier: current.as_str(),
            required_tier: required.as_str(),
            upgrade_url: UPGRADE,
            line: feature.hidden(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_0_6_0() {
        for (tier, days, team, enterprise) in [
            (Tier::Community, 7, false, false),
            (Tier::Team, 90, true, false),
            (Tier::Enterprise, 0, true, true),
        ] {
            let wanted = serde_json::json!({
                "maxHistoryDays": days, "compliancePage": team, "pdfExport": enterprise, "csvExport": team,
                "multiBackup": team, "multiCluster": enterprise, "sso": enterprise, "rtoAnalytics": team,
                "regressionAlerts": team, "timeline": team, "scoreBreakdown": team,
            });
            assert_eq!(
                serde_json::to_value(Features::of(tier)).unwrap(),
                wanted,
                "{tier}"
            );
        }
    }

    #[test]
    fn what_is_hidden_names_the_tier_that_shows_it() {
        for feature in Feature::ALL {
            let tier = feature.least_tier();
            assert!(Features::of(tier).has(feature), "{feature:?}");
            assert!(!Features::of(Tier::Community).has(feature), "{feature:?}");
            assert!(feature.hidden().contains(&tier.to_string()), "{feature:?}");
        }
        let closed = Closed::new(Feature::Pdf, Tier::Team);
        assert_eq!(closed.error, "This feature requires Kymaros Enterprise");
        assert_eq!(
            (closed.current_tier, closed.required_tier),
            ("team", "enterprise")
        );
    }
}
