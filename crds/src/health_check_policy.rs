//! The kind `HealthCheckPolicy`, as stored.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Checks that several tests share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "restore.kymaros.io",
    version = "v1alpha1",
    kind = "HealthCheckPolicy",
    plural = "healthcheckpolicies",
    singular = "healthcheckpolicy",
    shortname = "hcp",
    category = "kymaros",
    namespaced,
    status = "HealthCheckPolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "HealthCheckPolicy says what a healthy application looks like. Tests of its namespace name it.",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckPolicySpec {
    /// The checks. All of them must pass for full marks.
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.all(c, self.exists_one(d, d.name == c.name))")
        .message("two checks have the same name; give each its own"))]
    pub checks: Vec<Check>,
}

/// Empty, as in 0.6.9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckPolicyStatus {}

/// One check: its type, and the object of that name with what it looks at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.podStatus) == (self.type == 'podStatus')")
        .message("set podStatus when type is podStatus, and only then"),
    validation = Rule::new("has(self.httpGet) == (self.type == 'httpGet')")
        .message("set httpGet when type is httpGet, and only then"),
    validation = Rule::new("has(self.tcpSocket) == (self.type == 'tcpSocket')")
        .message("set tcpSocket when type is tcpSocket, and only then"),
    validation = Rule::new("has(self.exec) == (self.type == 'exec')")
        .message("set exec when type is exec, and only then"),
    validation = Rule::new("has(self.resourceExists) == (self.type == 'resourceExists')")
        .message("set resourceExists when type is resourceExists, and only then"),
)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Names the check in the report; unique in its list.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// What kind of check it is.
    #[serde(rename = "type")]
    pub type_: CheckType,

    /// The source namespace it looks at. Without it: every sandbox where its target exists, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_label_name")]
    pub namespace: Option<String>,

    /// A failure makes the result of the run `fail`, whatever the score.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,

    /// Settings of a `podStatus` check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_status: Option<PodStatusCheck>,

    /// Settings of an `httpGet` check: a plain HTTP request. No TLS, no redirect is followed, and `Host` is
    /// `service:port`; for TLS take `tcpSocket` or `exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetCheck>,

    /// Settings of a `tcpSocket` check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketCheck>,

    /// Settings of an `exec` check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecCheck>,

    /// Settings of a `resourceExists` check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_exists: Option<ResourceExistsCheck>,
}

/// What kind of check it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckType {
    /// Enough pods are ready.
    #[default]
    PodStatus,
    /// A Service answers an HTTP request with the wanted status.
    HttpGet,
    /// A Service accepts a TCP connection.
    TcpSocket,
    /// A command in a container ends with the wanted exit code.
    Exec,
    /// Objects exist.
    ResourceExists,
}

/// Enough pods are ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodStatusCheck {
    /// Labels of the pods; without any, all pods of the sandbox.
    #[serde(default)]
    #[schemars(schema_with = "schema::labels")]
    pub label_selector: BTreeMap<String, String>,

    /// How many must be ready.
    #[schemars(range(min = 0, max = 10000))]
    pub min_ready: i32,

    /// How long to wait for them; 60s when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
}

/// A Service answers an HTTP request with the wanted status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpGetCheck {
    /// Name of the Service.
    #[schemars(schema_with = "schema::label_name")]
    pub service: String,

    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Path of the request, with its query.
    #[schemars(length(max = 2048))]
    pub path: String,

    /// The status that counts as healthy.
    #[schemars(range(min = 100, max = 599))]
    pub expected_status: i32,

    /// How long one try may take; 10s when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,

    /// It is tried for this many times `timeout`, after short pauses, until it passes; 1 when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: Option<i32>,
}

/// A Service accepts a TCP connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpSocketCheck {
    /// Name of the Service.
    #[schemars(schema_with = "schema::label_name")]
    pub service: String,

    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// How long to try; 10s when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
}

/// A command in a container ends with the wanted exit code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecCheck {
    /// Labels of the pods; the first ready one is taken.
    #[serde(default)]
    #[schemars(schema_with = "schema::labels")]
    pub pod_selector: BTreeMap<String, String>,

    /// Name of the container; the pod's first when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_label_name")]
    pub container: Option<String>,

    /// The command and its arguments. It is not run in a shell.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    pub command: Vec<String>,

    /// The exit code that counts as healthy; 0 when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub success_exit_code: Option<i32>,

    /// A regular expression that standard output must match somewhere. Line breaks at the end of the output do not count, nor
    /// what comes after its first 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub stdout_matches: Option<String>,

    /// How long it is tried, each try included; 10s when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
}

/// Objects exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceExistsCheck {
    /// The objects.
    #[schemars(length(min = 1, max = 64))]
    pub resources: Vec<ResourceReference>,

    /// How long to wait for them; 10s when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
}

/// An object by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceReference {
    /// Its kind, such as `Secret` or `Deployment`.
    #[schemars(length(max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
