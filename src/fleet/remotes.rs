//! Other clusters, as far as they are known here: what they hold, and how fresh that is.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::reflector::Store;
use kymaros_crds::RestoreTest;
use tokio::sync::watch;

use super::{cluster::ClusterName, packed::PackedReports};

/// Another cluster. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    /// Its name here.
    pub name: ClusterName,
    /// Its tests.
    pub tests: Store<RestoreTest>,
    /// Its reports, whole but for logs and events, which stay in their cluster.
    pub reports: PackedReports,
    /// How fresh that is.
    pub contact: watch::Receiver<Contact>,
}

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Whether it is.
    pub reached: Reached,
    /// When what is known of it was last seen to be current.
    pub known: Option<Timestamp>,
    /// It holds more than is kept here; the oldest are left out.
    pub is_cut: bool,
}

/// Whether a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It is asked for the first time.
    Connecting,
    /// What is known of it is followed.
    Since(Timestamp),
    /// Nothing new is heard of it.
    Away {
        /// When that was noticed.
        since: Timestamp,
        /// Why, and what to do.
        why: String,
    },
}

impl Contact {
    /// Nothing has been heard yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reached: Reached::Connecting,
            known: None,
            is_cut: false,
        }
    }

    /// It was heard now: all that is known of it is current.
    pub fn heard(&mut self, now: Timestamp) {
        if !matches!(self.reached, Reached::Since(_)) {
            self.reached = Reached::Since(now);
        }
        self.known = Some(now);
    }

    /// It is not reached any more.
    pub fn lost(&mut self, now: Timestamp, why: String) {
        let since = match self.reached {
            Reached::Away { since, .. } => since,
            Reached::Connecting | Reached::Since(_) => now,
        };
        self.reached = Reached::Away { since, why };
    }
}

impl Default for Contact {
    fn default() -> Self {
        Self::new()
    }
}

/// A Secret that should be a way to a cluster, and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSecret {
    /// The Secret.
    pub secret: String,
    /// The cluster, when that can be told.
    pub cluster: Option<ClusterName>,
    /// What is wrong and what to write instead. Nothing of the Secret's contents is in it.
    pub why: String,
}

/// All other clusters. Cheap to clone.
#[derive(Clone, Default)]
pub struct Roster {
    /// Those that are followed, by name.
    pub remotes: Arc<[Remote]>,
    /// Secrets that are no way to a cluster.
    pub refused: Arc<[RefusedSecret]>,
    /// Clusters that are named, and not connected because the tier has one cluster.
    pub closed: usize,
    /// Why nobody knows which clusters there are.
    pub trouble: Option<String>,
}

impl Roster {
    /// Whether nobody named another cluster.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remotes.is_empty() && self.refused.is_empty() && self.closed == 0 && self.trouble.is_none()
    }

    /// One of them.
    #[must_use]
    pub fn remote(&self, name: &ClusterName) -> Option<&Remote> {
        self.remotes.iter().find(|remote| remote.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::sample::at;

    #[test]
    fn a_cluster_that_is_away_keeps_the_moment_it_was_last_known() {
        let mut contact = Contact::new();
        contact.lost(at(1), "refused".into());
        assert_eq!(contact.known, None);
        contact.heard(at(2));
        contact.heard(at(3));
        assert_eq!(
            (&contact.reached, contact.known),
            (&Reached::Since(at(2)), Some(at(3)))
        );
        contact.lost(at(4), "refused".into());
        contact.lost(at(5), "it did not answer".into());
        let why = "it did not answer".to_owned();
        assert_eq!(contact.reached, Reached::Away { since: at(4), why });
        assert_eq!(contact.known, Some(at(3)));
    }
}
