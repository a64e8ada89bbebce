//! Other clusters: whether each is reached, and how old is what is known of it. A cluster that is named no more goes.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokio::sync::watch;

use crate::fleet::{Contact, Fleet, Reached, Roster};

/// What is known of other clusters. There are as many as Secrets name, which has a limit.
pub struct Clusters {
    /// All of them.
    pub roster: watch::Receiver<Roster>,
    /// Only the leader tells.
    pub leading: watch::Receiver<bool>,
}

impl Clusters {
    /// Those of a fleet.
    #[must_use]
    pub fn new(fleet: &Fleet, leading: &watch::Receiver<bool>) -> Self {
        Self {
            roster: fleet.roster.clone(),
            leading: leading.clone(),
        }
    }
}

impl fmt::Debug for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clusters").finish_non_exhaustive()
    }
}

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let roster = self.roster.borrow().clone();
        if !*self.leading.borrow() || roster.remotes.is_empty() {
            return Ok(());
        }
        let contacts: Vec<(&str, Contact)> = roster
            .remotes
            .iter()
            .map(|remote| (remote.name.as_str(), remote.contact.borrow().clone()))
            .collect();
        let help = "1 while another cluster is reached, else 0";
        let mut family = encoder.encode_descriptor("remote_cluster_up", help, None, MetricType::Gauge)?;
        for (name, contact) in &contacts {
            let is_up = i64::from(matches!(contact.reached, Reached::Since(_)));
            ConstGauge::new(is_up).encode(family.encode_family(&[("cluster", *name)])?)?;
        }
        let help = "Age of what is known of another cluster; missing while nothing is";
        let name = "remote_cluster_known_age_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let now = Timestamp::now();
        for (name, contact) in &contacts {
            if let Some(known) = contact.known {
                let age = now.duration_since(known).as_secs_f64().max(0.0);
                ConstGauge::new(age).encode(family.encode_family(&[("cluster", *name)])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;
    use crate::fleet::{
        Remote,
        sample::{packed, store},
    };

    /// One cluster that is reached, and one of which nothing is known.
    pub fn roster() -> watch::Receiver<Roster> {
        let mut fresh = Contact::new();
        fresh.heard(Timestamp::now());
        let remote = |name: &str, contact: Contact| Remote {
            name: name.parse().unwrap(),
            tests: store([]),
            reports: packed([]),
            contact: watch::channel(contact).1,
        };
        let remotes = [remote("eu", fresh), remote("us", Contact::new())].into();
        watch::channel(Roster {
            remotes,
            ..Roster::default()
        })
        .1
    }

    fn told(roster: watch::Receiver<Roster>, leads: bool) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Clusters {
            roster,
            leading: watch::channel(leads).1,
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn each_cluster_is_told_of_by_the_leader_as_long_as_it_is_named() {
        let text = told(roster(), true);
        assert!(text.contains("remote_cluster_up{cluster=\"eu\"} 1"), "{text}");
        assert!(text.contains("remote_cluster_up{cluster=\"us\"} 0"), "{text}");
        assert!(
            text.contains("remote_cluster_known_age_seconds{cluster=\"eu\"}"),
            "{text}"
        );
        assert!(!text.contains("known_age_seconds{cluster=\"us\"}"), "{text}");
        assert!(!told(roster(), false).contains("remote_cluster"));
        assert!(!told(watch::channel(Roster::default()).1, true).contains("remote_cluster"));
    }
}
