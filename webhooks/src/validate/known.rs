//! What a verdict needs to know beyond the object itself.

use std::{fmt, time::Duration};

use kube::ResourceExt;
use kymaros_crds::{
    RestoreReport, RestoreTest, RestoreTestSpec,
    domain::{Source, Tier},
};

/// What is known beyond the object. `None` means that it cannot be known here, as offline; nothing is refused then, and
/// the verdict says what was left open. No answer may take the network.
pub trait Known {
    /// Where the operator and Velero run.
    fn home(&self) -> Option<Home<'_>>;
    /// What stands at a namespace's name.
    fn namespace(&self, name: &str) -> Option<NamespaceState>;
    /// Another test than `but` that uses a namespace in this way.
    fn other_test(&self, usage: Usage, namespace: &str, but: &TestName) -> Option<OtherTest>;
    /// A policy.
    fn policy(&self, namespace: &str, name: &str) -> Option<PolicyState>;
    /// How long the longest of a test's last runs took; zero when there are none.
    fn longest_run(&self, test: &TestName) -> Option<Duration>;
    /// The license.
    fn license(&self) -> Option<Licensed>;
}

/// Where the operator and Velero run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home<'a> {
    /// The operator's namespace.
    pub operator: &'a str,
    /// Velero's namespace.
    pub velero: &'a str,
}

/// What stands at a namespace's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceState {
    /// Nothing.
    Absent,
    /// A namespace that is no sandbox.
    Foreign,
    /// A sandbox of this test.
    SandboxOf(TestName),
}

/// How a test uses a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It is restored.
    Source,
    /// It is a `sandboxName`.
    Sandbox,
}

/// Whether another test uses a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherTest {
    /// None does.
    None,
    /// This one does.
    Uses(TestName),
}

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyState {
    /// It is not there.
    Absent,
    /// It is there, with so many checks.
    Checks(usize),
}

/// The license that applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licensed {
    /// What is open.
    pub tier: Tier,
    /// Why it is no more than that, as a sentence without a full stop.
    pub why: Option<String>,
}

/// A test by namespace and name. Offline, the namespace may be missing and is then empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl From<&RestoreTest> for TestName {
    fn from(test: &RestoreTest) -> Self {
        Self {
            namespace: test.namespace().unwrap_or_default(),
            name: test.name_any(),
        }
    }
}

/// The test of a run.
impl From<&RestoreReport> for TestName {
    fn from(report: &RestoreReport) -> Self {
        Self {
            namespace: report.namespace().unwrap_or_default(),
            name: report.spec.test_ref.clone(),
        }
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Something that could not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unchecked {
    /// [`Known::home`].
    Home,
    /// [`Known::namespace`].
    Namespaces,
    /// [`Known::other_test`].
    OtherTests,
    /// [`Known::policy`].
    Policies,
    /// [`Known::longest_run`].
    Runs,
    /// [`Known::license`].
    License,
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "whether a namespace is the operator's or Velero's own",
            Self::Namespaces => "whether a namespace is a sandbox, and whether a sandboxName is free",
            Self::OtherTests => "whether tests elsewhere use the same namespaces",
            Self::Policies => "whether a HealthCheckPolicy that is not among the files exists",
            Self::Runs => "whether TTL, timeout and schedule leave enough time for what the last runs took",
            Self::License => "whether the license allows additionalSources",
        })
    }
}

/// The namespaces that a test uses in this way, as they are written.
pub fn used(spec: &RestoreTestSpec, usage: Usage) -> impl Iterator<Item = &str> {
    let namespaces = Source::specs(spec).flat_map(|(_, source)| &source.namespaces);
    namespaces
        .filter_map(move |namespace| match usage {
            Usage::Source => Some(namespace.name.as_str()),
            Usage::Sandbox => namespace.sandbox_name.as_deref(),
        })
        .map(str::trim)
        .filter(|name| !name.is_empty())
}
