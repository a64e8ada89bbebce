//! A small API server: the structural rules of our definitions, their CEL rules, and then the operator's parsing.

use crate::{HealthCheckPolicySpec, RestoreTestSpec, domain, generate};
use kube::core::cel::Validator;
use regex::Regex;
use serde_json::{Map, Value};

/// What the API server says of a manifest; empty: it is stored.
pub fn refusals(manifest: &Value) -> Vec<String> {
    let schema = schema_of(manifest["kind"].as_str().unwrap());
    let mut errors = Vec::new();
    structural(
        &schema["properties"]["spec"],
        &manifest["spec"],
        "spec",
        &mut errors,
    );
    if let Err(broken) = Validator::new().validate(&schema, manifest, None) {
        errors.extend(broken.iter().map(ToString::to_string));
    }
    errors
}

/// What the operator says of a manifest.
pub fn parse(manifest: &Value) -> Result<(), domain::Invalid> {
    let spec = manifest["spec"].clone();
    if manifest["kind"] == "HealthCheckPolicy" {
        let spec: HealthCheckPolicySpec = serde_json::from_value(spec).unwrap();
        domain::parse_checks(&spec.checks, "spec.checks").map(|_| ())
    } else {
        let spec: RestoreTestSpec = serde_json::from_value(spec).unwrap();
        domain::Test::try_from(&spec).map(|_| ())
    }
}

pub fn schema_of(kind: &str) -> Value {
    let crds = generate::crds();
    let crd = crds.iter().find(|c| c.spec.names.kind == kind).unwrap();
    let schema = crd.spec.versions[0]
        .schema
        .as_ref()
        .unwrap()
        .open_api_v3_schema
        .as_ref()
        .unwrap();
    serde_json::to_value(schema).unwrap()
}

fn structural(schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
    let mut wrong = |what: String| errors.push(format!("{path}: {what}"));
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    let type_ = schema["type"].as_str().unwrap();
    let fits = match type_ {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{path}: type {other}"),
    };
    if !fits {
        return wrong(format!("{value} is not of type {type_}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        wrong(format!("{value} is not one of {allowed:?}"));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern).unwrap().is_match(value.as_str().unwrap())
    {
        wrong(format!("{value} does not match {pattern}"));
    }
    let size = match value {
        Value::String(text) => Some((text.chars().count(), "minLength", "maxLength")),
        Value::Array(items) => Some((items.len(), "minItems", "maxItems")),
        Value::Object(fields) => Some((fields.len(), "minProperties", "maxProperties")),
        _ => None,
    };
    let size = size.map(|(size, least, most)| (i64::try_from(size).unwrap(), least, most));
    if let Some((size, least, most)) = size.or(value.as_i64().map(|number| (number, "minimum", "maximum"))) {
        let below = whole(&schema[least]).is_some_and(|least| size < least);
        let above = whole(&schema[most]).is_some_and(|most| size > most);
        if below || above {
            wrong(format!("{size} is outside {} to {}", schema[least], schema[most]));
        }
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                structural(&schema["items"], item, &format!("{path}[{index}]"), errors);
            }
        }
        Value::Object(fields) => object(schema, fields, path, errors),
        _ => {}
    }
}

/// A bound, which the Kubernetes types keep as a floating point number.
fn whole(bound: &Value) -> Option<i64> {
    bound
        .as_i64()
        .or_else(|| format!("{}", bound.as_f64()?).parse().ok())
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str, errors: &mut Vec<String>) {
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            errors.push(format!("{path}: {required} is missing"));
        }
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => structural(schema, value, &path, errors),
            (None, None) => errors.push(format!("{path}: unknown field")),
        }
    }
}
