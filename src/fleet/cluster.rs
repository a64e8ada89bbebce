//! Clusters by name, and tests by the cluster they are of. This very cluster has no name where others are told apart.

use std::{fmt, ops::Deref, str::FromStr, sync::Arc};

use kymaros_crds::{RestoreTest, domain::NamespaceName};
use kymaros_webhooks::validate::TestName;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// The name of another cluster: a label of RFC 1123, and not [`ClusterName::HERE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct ClusterName(#[schemars(with = "String")] Arc<str>);

impl ClusterName {
    /// What this cluster is called where one is to be chosen.
    pub const HERE: &str = "local";

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ClusterName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for ClusterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::HERE {
            return Err(format!(
                "is {text:?}, which is this very cluster; write another name"
            ));
        }
        let label: Result<NamespaceName, _> = text.parse();
        label
            .map(|_| Self(text.into()))
            .map_err(|error| error.to_string())
    }
}

/// A cluster in words.
#[must_use]
pub fn cluster_word(cluster: Option<&ClusterName>) -> &str {
    cluster.map_or(ClusterName::HERE, ClusterName::as_str)
}

/// Which clusters somebody looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterScope {
    /// All of them.
    #[default]
    All,
    /// This one.
    Here,
    /// Another.
    Other(ClusterName),
}

impl ClusterScope {
    /// The one other cluster that it holds.
    #[must_use]
    pub fn other(&self) -> Option<&ClusterName> {
        match self {
            Self::All | Self::Here => None,
            Self::Other(name) => Some(name),
        }
    }

    /// Whether it holds a cluster; none is this one.
    #[must_use]
    pub fn holds(&self, cluster: Option<&ClusterName>) -> bool {
        match self {
            Self::All => true,
            Self::Here => cluster.is_none(),
            Self::Other(only) => cluster == Some(only),
        }
    }
}

/// A test by its name and its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestKey {
    /// None: this one.
    pub cluster: Option<ClusterName>,
    /// Its name there.
    pub test: TestName,
}

impl From<TestName> for TestKey {
    fn from(test: TestName) -> Self {
        Self { cluster: None, test }
    }
}

/// `namespace/name`, with `cluster/` before it for one of another cluster.
impl fmt::Display for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cluster) = &self.cluster {
            write!(f, "{cluster}/")?;
        }
        self.test.fmt(f)
    }
}

/// A stored test, and its cluster.
#[derive(Clone, Debug)]
pub struct FleetTest {
    /// None: this one.
    pub cluster: Option<ClusterName>,
    /// As it is stored there.
    pub stored: Arc<RestoreTest>,
}

impl FleetTest {
    /// One of this cluster.
    #[must_use]
    pub fn here(stored: Arc<RestoreTest>) -> Self {
        Self {
            cluster: None,
            stored,
        }
    }

    /// By name, then by namespace and cluster.
    pub(super) fn order(&self) -> (Option<&str>, Option<&str>, Option<&ClusterName>) {
        let metadata = &self.stored.metadata;
        (
            metadata.name.as_deref(),
            metadata.namespace.as_deref(),
            self.cluster.as_ref(),
        )
    }

    /// Its name and its cluster.
    #[must_use]
    pub fn key(&self) -> TestKey {
        TestKey {
            cluster: self.cluster.clone(),
            test: self.stored.as_ref().into(),
        }
    }
}

impl Deref for FleetTest {
    type Target = RestoreTest;

    fn deref(&self) -> &RestoreTest {
        &self.stored
    }
}

/// Where a test or a report of some name is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// None: this one.
    pub cluster: Option<ClusterName>,
    /// Its namespace there.
    pub namespace: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_like_a_label_and_never_like_this_one() {
        assert_eq!("prod-eu".parse::<ClusterName>().unwrap().as_str(), "prod-eu");
        for (wrong, said) in [
            ("local", "this very cluster"),
            ("", "empty"),
            ("Prod", "small letters"),
            ("a/b", "small letters"),
        ] {
            let error = wrong.parse::<ClusterName>().unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_scope_holds_its_cluster() {
        let eu: ClusterName = "eu".parse().unwrap();
        let us: ClusterName = "us".parse().unwrap();
        assert!(ClusterScope::All.holds(None) && ClusterScope::All.holds(Some(&eu)));
        assert!(ClusterScope::Here.holds(None) && !ClusterScope::Here.holds(Some(&eu)));
        let only = ClusterScope::Other(eu.clone());
        assert!(only.holds(Some(&eu)) && !only.holds(Some(&us)) && !only.holds(None));
    }
}
