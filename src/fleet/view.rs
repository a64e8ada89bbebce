//! Who looks at the fleet: which clusters and namespaces, what the tier shows, and when.

use jiff::{SignedDuration, Timestamp};
use kymaros_crds::domain::Tier;

use super::{
    cluster::{ClusterName, ClusterScope},
    features::{Closed, Feature, Features},
    runs::RunName,
};

/// Which namespaces somebody looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// One.
    Namespace(String),
}

impl Scope {
    /// Whether it holds a namespace.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(only) => only == namespace,
        }
    }

    /// The one namespace; `None` for all of them.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Namespace(only) => Some(only),
        }
    }
}

/// How somebody sees the fleet at a moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The moment.
    pub now: Timestamp,
    /// The tier that applies.
    pub tier: Tier,
    /// What it shows.
    pub features: Features,
    /// Which namespaces.
    pub scope: Scope,
    /// Of which clusters.
    pub clusters: ClusterScope,
}

/// An answer, and what of it the tier hides, each in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<T> {
    /// The answer.
    pub what: T,
    /// What is not in it.
    pub hidden: Vec<String>,
}

impl View {
    /// A view.
    #[must_use]
    pub fn new(tier: Tier, scope: Scope, now: Timestamp) -> Self {
        Self {
            now,
            tier,
            features: Features::of(tier),
            scope,
            clusters: ClusterScope::All,
        }
    }

    /// The same of some clusters only.
    #[must_use]
    pub fn of_clusters(self, clusters: ClusterScope) -> Self {
        Self { clusters, ..self }
    }

    /// Whether it shows a namespace of a cluster.
    #[must_use]
    pub fn shows(&self, cluster: Option<&ClusterName>, namespace: &str) -> bool {
        self.clusters.holds(cluster) && self.scope.holds(namespace)
    }

    /// Whether it shows the place of a report.
    #[must_use]
    pub fn holds(&self, name: &RunName) -> bool {
        self.shows(name.cluster.as_ref(), &name.namespace)
    }

    /// Nothing, when the tier has a feature.
    ///
    /// # Errors
    /// [`Closed`] when it does not.
    pub fn require(&self, feature: Feature) -> Result<(), Closed> {
        if self.features.has(feature) {
            Ok(())
        } else {
            Err(Closed::new(feature, self.tier))
        }
    }

    /// The first moment that history is shown from; none: there is no limit.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let days = self.features.max_history_days;
        (days > 0).then(|| before(self.now, days))
    }

    /// The first moment of the last days as far as the tier looks back, and the line about it when that is less than
    /// was asked for. No days: all history.
    #[must_use]
    pub fn since(&self, days: Option<u32>) -> (Option<Timestamp>, Option<String>) {
        let most = self.features.max_history_days;
        match days {
            Some(days) if most == 0 || days <= most => (Some(before(self.now, days)), None),
            None if most == 0 => (None, None),
            _ => (self.oldest(), Some(self.history_line())),
        }
    }

    /// How far back the tier looks, as one line.
    fn history_line(&self) -> String {
        let next = match self.tier {
            Tier::Community => "the Team tier shows 90, Enterprise all",
            Tier::Team | Tier::Enterprise => "the Enterprise tier shows all",
        };
        let (tier, days) = (self.tier, self.features.max_history_days);
        format!("The {tier} tier shows {days} days of history; {next}.")
    }
}

fn before(now: Timestamp, days: u32) -> Timestamp {
    let ago = SignedDuration::from_hours(i64::from(days) * 24);
    now.saturating_sub(ago).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_looks_back_no_further_than_it_may_and_says_so() {
        let now: Timestamp = "2026-06-30T00:00:00Z".parse().unwrap();
        for (tier, days, first, says) in [
            (Tier::Community, Some(3), Some("2026-06-27T00:00:00Z"), false),
            (Tier::Community, Some(7), Some("2026-06-23T00:00:00Z"), false),
            (Tier::Community, Some(8), Some("2026-06-23T00:00:00Z"), true),
            (Tier::Community, None, Some("2026-06-23T00:00:00Z"), true),
            (Tier::Team, Some(30), Some("2026-05-31T00:00:00Z"), false),
            (Tier::Team, None, Some("2026-04-01T00:00:00Z"), true),
            (Tier::Enterprise, Some(365), Some("2025-06-30T00:00:00Z"), false),
            (Tier::Enterprise, None, None, false),
        ] {
            let view = View::new(tier, Scope::All, now);
            let (since, line) = view.since(days);
            assert_eq!(since.map(|t| t.to_string()).as_deref(), first, "{tier} {days:?}");
            assert_eq!(line.is_some(), says, "{tier} {days:?}");
        }
    }

    #[test]
    fn a_scope_holds_its_namespace() {
        assert!(Scope::All.holds("a") && Scope::Namespace("a".into()).holds("a"));
        assert!(!Scope::Namespace("a".into()).holds("b"));
    }
}
