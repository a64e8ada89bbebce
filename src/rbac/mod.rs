//! What the operator may do, declared once: the chart's roles are written from it, a test on a real cluster holds it
//! against what the API server saw the operator do, and people can read it with its reasons.
//!
//! Most rights exist in sandboxes only: each sandbox gets a binding to the role of [`Place::Sandbox`].

mod chart;
mod rules;
#[cfg(test)]
mod tests;

pub use chart::template;

/// Stands for the group of each kind that [`Setting::CompareResources`] names.
const GROUP_OF_EACH: &str = "{{ splitList \".\" . | rest | join \".\" | quote }}";
/// Stands for the plural of each such kind.
const PLURAL_OF_EACH: &str = "{{ splitList \".\" . | first | quote }}";

/// Where rights hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the whole cluster.
    Cluster,
    /// In sandboxes.
    Sandbox,
    /// In Velero's namespace.
    Velero,
    /// In the operator's own namespace.
    Own,
    /// In the namespaces of tests whose Secrets the chart's value `notifications.secrets` names.
    Receivers,
    /// In the whole cluster, for the account that exists only while Kymaros is uninstalled.
    Uninstall,
    /// In the operator's own namespace, for that account.
    UninstallOwn,
}

/// Some rights, and why they are needed.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// API groups; `*` means all.
    pub groups: &'static [&'static str],
    /// Kinds as in URLs, with subresources (`pods/exec`); `*` means all.
    pub resources: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// Only with the object of this name.
    pub name: Option<ObjectName>,
    /// Only with this setting of the chart.
    pub when: Option<Setting>,
    /// What needs it, in one line.
    pub why: &'static str,
    /// The files that make these calls.
    pub needed_by: &'static [&'static str],
    /// Verbs that an ordinary run does not show, and when they are needed.
    pub rarely: &'static [(&'static str, &'static str)],
}

/// Objects whose names follow from the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectName {
    /// The role of [`Place::Sandbox`].
    SandboxRole,
    /// Both webhook configurations.
    WebhookConfiguration,
    /// The Secret with the certificate of the webhooks.
    CertificateSecret,
    /// The Lease of the replicas.
    Lease,
    /// The Secret with the license.
    LicenseSecret,
    /// The Secrets with the addresses of the operator's own receivers.
    OwnReceivers,
    /// The Secrets of tests that are named in [`Place::Receivers`].
    Receivers,
    /// The operator's Deployment.
    Deployment,
    /// Secrets of Velero's with the authorities of its storage locations.
    AuthoritySecrets,
}

/// Settings of the chart that rights depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Checks of type `exec` are allowed.
    Exec,
    /// More than one replica takes turns.
    LeaderElection,
    /// The operator issues the certificate of its webhooks.
    OwnCertificate,
    /// Secrets of a source are held against its backup.
    CompareSecrets,
    /// Kinds of other products of a source are held against its backup. Such a rule stands for each of them.
    CompareResources,
    /// Storage locations have authorities in Secrets.
    AuthoritySecrets,
    /// Metrics, or the API, are for those who may: somebody has to be asked who that is.
    Reviews,
    /// Callers of the API have no accounts, and the operator's changes tests for them.
    WritesTests,
    /// The operator has receivers of its own.
    OwnReceivers,
    /// Secrets of the operator's namespace name other clusters.
    Clusters,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 7] = [
        Self::Cluster,
        Self::Sandbox,
        Self::Velero,
        Self::Own,
        Self::Receivers,
        Self::Uninstall,
        Self::UninstallOwn,
    ];

    /// The rules that hold there.
    #[must_use]
    pub const fn rules(self) -> &'static [Rule] {
        match self {
            Self::Cluster => rules::CLUSTER,
            Self::Sandbox => rules::SANDBOX,
            Self::Velero => rules::VELERO,
            Self::Own => rules::OWN,
            Self::Receivers => rules::RECEIVERS,
            Self::Uninstall => rules::UNINSTALL,
            Self::UninstallOwn => rules::UNINSTALL_OWN,
        }
    }
}
