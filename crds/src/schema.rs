//! Pieces of schema that several fields share. The limits keep the estimated cost of the CEL rules inside what the
//! API server accepts: 10,000,000 a rule and 100,000,000 a kind.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Longest name of a Kubernetes object (DNS subdomain).
const NAME: u32 = 253;

/// A duration as Go writes it: `90s`, `1h30m`, `1.5h`, `500ms`.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
    })
}

/// A quantity as Kubernetes writes it, without a sign: `500m`, `4Gi`. Empty means: not set.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "pattern": r"^$|^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
    })
}

/// The name of a Kubernetes object (DNS subdomain). Empty means: not set.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": NAME,
        "pattern": r"^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    })
}

/// The name of a namespace or Service (DNS label).
pub(crate) fn label_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 63,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    })
}

/// The name of a namespace (DNS label). Empty means: not set.
pub(crate) fn optional_label_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 63,
        "pattern": r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    })
}

/// Labels that objects must carry.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// A copy of another object's spec, kept as it was. It is written by the operator only, and judged when it is read:
/// rules here would keep a run of a test that was stored under older rules from ever starting.
pub(crate) fn frozen(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
