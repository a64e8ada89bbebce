//! The license, as people read it.

use jiff::Timestamp;
use kymaros_crds::domain::Tier;
use schemars::JsonSchema;
use serde::Serialize;

use super::{features::Features, moments::moment};
use crate::license::{License, Refusal};

/// Days before the end of a license at which people are told.
const TOLD: [i64; 3] = [1, 7, 30];

/// The license and what it opens. The names are those of 0.6.0; there are no trials, whose fields stay for its clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseView {
    /// `community`, `team` or `enterprise`.
    pub tier: &'static str,
    /// Its last moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether that has passed.
    pub is_expired: bool,
    /// Always false.
    pub is_trialing: bool,
    /// What it opens.
    pub features: Features,
    /// Why the tier is what it is, in one sentence.
    pub message: String,
    /// What needs somebody, in one sentence: it ends soon, or is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

pub(super) fn license(license: &License, now: Timestamp) -> LicenseView {
    let tier = license.tier();
    let expires = match license {
        License::Valid { expires, .. } => *expires,
        License::Community(Refusal::Expired(end)) => Some(*end),
        License::Community(_) => None,
    };
    let trouble = match license {
        License::Community(refusal) if refusal.is_trouble() => {
            Some(format!("{refusal}; the {} tier applies", Tier::Community))
        }
        _ => None,
    };
    LicenseView {
        tier: tier.as_str(),
        expires_at: expires.map(moment),
        is_expired: matches!(license, License::Community(Refusal::Expired(_))),
        is_trialing: false,
        features: Features::of(tier),
        message: license.to_string(),
        warning: trouble.or_else(|| ending(license, now)),
    }
}

/// That a license ends soon: from 30, 7 and 1 days before on, each in a sentence of its own.
#[must_use]
pub fn ending(license: &License, now: Timestamp) -> Option<String> {
    let License::Valid {
        tier,
        expires: Some(end),
    } = license
    else {
        return None;
    };
    let hours = end.duration_since(now).as_hours();
    let days = TOLD.into_iter().find(|days| hours < days * 24)?;
    let within = match days {
        1 => "less than a day".to_owned(),
        days => format!("less than {days} days"),
    };
    let end = end.strftime("%Y-%m-%d");
    Some(format!(
        "the {tier} license ends on {end}, in {within}; after it the {} tier applies, and every test goes on",
        Tier::Community
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(end: Option<&str>) -> License {
        License::Valid {
            tier: Tier::Team,
            expires: end.map(|end| end.parse().unwrap()),
        }
    }

    #[test]
    fn people_are_told_thirty_seven_and_one_day_before() {
        let license = team(Some("2026-12-31T00:00:00Z"));
        for (now, said) in [
            ("2026-12-01T00:00:00Z", None),
            ("2026-12-01T01:00:01Z", Some("less than 30 days")),
            ("2026-12-24T12:00:00Z", Some("less than 7 days")),
            ("2026-12-30T12:00:00Z", Some("less than a day")),
        ] {
            let told = ending(&license, now.parse().unwrap());
            match said {
                Some(said) => assert!(told.as_ref().is_some_and(|t| t.contains(said)), "{now}: {told:?}"),
                None => assert_eq!(told, None, "{now}"),
            }
        }
        assert_eq!(ending(&team(None), Timestamp::MAX), None);
    }

    #[test]
    fn an_expired_license_says_so() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let end = "2026-12-31T00:00:00Z".parse().unwrap();
        let view = license(&License::Community(Refusal::Expired(end)), now);
        assert_eq!((view.tier, view.is_expired), ("community", true));
        assert!(view.warning.is_some() && view.expires_at.is_some());
        let view = license(&License::Community(Refusal::NoSecret), now);
        assert_eq!((view.warning, view.expires_at), (None, None));
        let view = license(&team(Some("2029-12-31T00:00:00Z")), now);
        assert_eq!((view.tier, view.warning), ("team", None));
        assert_eq!(view.expires_at.as_deref(), Some("2029-12-31T00:00:00Z"));
    }
}
