//! The kind `RestoreTest`, as stored.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{BackupSource, Check, NotificationsSpec, RestoreTestStatus, SandboxSpec, schema};

/// What to restore, when, and how to judge it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "restore.kymaros.io",
    version = "v1alpha1",
    kind = "RestoreTest",
    plural = "restoretests",
    singular = "restoretest",
    shortname = "rt",
    category = "kymaros",
    namespaced,
    status = "RestoreTestStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "RestoreTest restores a Velero backup on a schedule into throw-away namespaces and judges what comes up.",
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Score", "type": "integer", "jsonPath": ".status.lastScore"}"#,
    printcolumn = r#"{"name": "Result", "type": "string", "jsonPath": ".status.lastResult"}"#,
    printcolumn = r#"{"name": "Last Run", "type": "date", "jsonPath": ".status.lastRunAt"}"#,
    printcolumn = r#"{"name": "Next Run", "type": "string", "jsonPath": ".status.nextRunAt", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = Rule::new(
        "!has(self.additionalSources) || self.additionalSources.all(s, s.namespaces.all(n, \
         self.backupSource.namespaces.all(m, m.name != n.name)))"
    ).message("a namespace is named twice; restore each once in a test"),
    // Zero is what Go clients write for a duration that is not set.
    validation = Rule::new(
        "!has(self.timeout) || !has(self.sandbox) || !has(self.sandbox.ttl) \
         || duration(self.sandbox.ttl) == duration('0s') || duration(self.sandbox.ttl) >= duration(self.timeout)"
    ).message("sandbox.ttl is shorter than timeout, so the sandbox would go first"),
)]
#[serde(rename_all = "camelCase")]
pub struct RestoreTestSpec {
    /// The backup to restore.
    pub backup_source: BackupSource,

    /// More backups that belong to the same application, restored in the same run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15))]
    pub additional_sources: Vec<BackupSource>,

    /// When to run.
    pub schedule: ScheduleSpec,

    /// No scheduled runs; manual ones still work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,

    /// The throw-away namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxSpec>,

    /// What a healthy application looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_checks: Option<HealthChecksSpec>,

    /// The agreed recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla: Option<SlaSpec>,

    /// Who is told of a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationsSpec>,

    /// How long a run may take before it is ended, counted from when it leaves the queue. When not set, as long as
    /// `sandbox.ttl`, but 1h at most; 30m when neither is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,

    /// How many finished reports are kept; 10 when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub history_limit: Option<i32>,

    /// Logs and events of the sandbox in the report. Nothing is collected without this block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_collection: Option<LogCollectionSpec>,
}

/// When a test runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// Five fields (minute, hour, day of month, month, day of week), `@hourly` to `@yearly`, or `@every 6h`.
    // A rule and not a pattern, so that the refusal is a sentence.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new(
        r"self.matches(r'^\s*((CRON_)?TZ=\S+\s+)?(@every\s+\S+|@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[^@\s]\S*(\s+\S+){4})\s*$')"
    ).message("write five fields (minute, hour, day of month, month, day of week), @hourly to @yearly, or @every 6h"))]
    pub cron: String,

    /// Time zone of the fields, as an IANA name such as `Europe/Berlin`; UTC when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]*$"))]
    pub timezone: Option<String>,
}

/// What a healthy application looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecksSpec {
    /// Name of a `HealthCheckPolicy` in the test's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub policy_ref: Option<String>,

    /// How long start-up and checks may take together, counted from the end of the restore; 10m when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,

    /// How long workloads must stay ready before they count as started; 10s when not set. Checks run meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub settle: Option<String>,

    /// Checks of this test alone, beside or instead of a policy. One with the name of a policy's check replaces that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.all(c, self.exists_one(d, d.name == c.name))")
        .message("two checks have the same name; give each its own"))]
    pub checks: Vec<Check>,
}

/// The agreed recovery time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlaSpec {
    /// The longest acceptable recovery time (RTO): from the start of the restore until everything is healthy.
    #[serde(rename = "maxRTO")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) > duration('0s')").message("must be more than zero"))]
    pub max_rto: String,

    /// Tell the receivers of `notifications.onFailure` when it is exceeded, whatever the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alert_on_exceed: bool,
}

/// What of the sandbox's logs and events goes into the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogCollectionSpec {
    /// Collect; true when the block is there and this is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Last lines of each container; 100 when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1000))]
    pub max_lines: Option<i32>,

    /// Events of the sandbox too; true when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_events: Option<bool>,

    /// Init containers too; true when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_init: Option<bool>,

    /// The previous try of a container that restarted too; true when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_previous: Option<bool>,
}
