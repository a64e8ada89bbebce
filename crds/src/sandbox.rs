//! Raw types of `RestoreTest.spec.sandbox`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// The throw-away namespaces of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// Start of every sandbox's name; `rp-test` when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 53), regex(pattern = r"^$|^[a-z0-9][-a-z0-9]*$"))]
    pub namespace_prefix: Option<String>,

    /// When a sandbox goes, whatever the state of its run, counted from when the run leaves the queue. 30m when not set,
    /// or the run's `timeout` when that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub ttl: Option<String>,

    /// What a sandbox may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota: Option<ResourceQuotaSpec>,

    /// Who may talk to whom; `strict` when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_isolation: Option<Isolation>,

    /// How long a finished sandbox stays; `Immediate` when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// What a sandbox may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuotaSpec {
    /// Processors that containers may request in all; 2 when not set. One that states no limit gets this as its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: Option<String>,

    /// Memory that containers may request in all; 4Gi when not set. One that states no limit gets this as its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub memory: Option<String>,

    /// Requested storage of all volumes; 10Gi when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub storage: Option<String>,

    /// Number of pods; 20 when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub pods: Option<i32>,
}

/// Who may talk to whom: `strict` (when not set) lets nothing in or out, except DNS and traffic inside the same sandbox;
/// `group` also traffic between the sandboxes of the same run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// Nothing in, nothing out, except DNS and traffic inside the same sandbox.
    #[default]
    Strict,
    /// Also between the sandboxes of the same run.
    Group,
}

/// How long the sandboxes of a finished run stay, never past the TTL: `Immediate` (when not set) removes them at once,
/// `OnFailure` keeps them when the run did not pass, `UntilTTL` always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// They go at once.
    #[default]
    Immediate,
    /// They stay when the run did not pass.
    OnFailure,
    /// They stay.
    #[serde(rename = "UntilTTL")]
    UntilTtl,
}
