//! Sizes and forms that the schema asks for.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::schema;

/// A whole number; `10.0` is one.
pub(super) fn whole(value: &Value) -> Option<i64> {
    /// Beyond, not every whole number has a floating point one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and exact")]
        Some(number as i64)
    })
}

/// What is wrong with a number that the type of its field cannot hold.
pub(super) fn beyond_type(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let number = value
        .as_i64()
        .filter(|_| schema.format.as_deref() == Some("int32"))?;
    i32::try_from(number).is_err().then(|| range(schema))
}

/// What is wrong with a value of the right type.
pub(super) fn beyond(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => size(
            text.chars().count(),
            schema.min_length,
            schema.max_length,
            "characters",
        )
        .or_else(|| {
            let pattern = schema.pattern.as_deref()?;
            let fits = schema::pattern(pattern).is_none_or(|regex| regex.is_match(text));
            (!fits).then(|| format!("must have the form {pattern}"))
        }),
        Value::Array(items) => size(items.len(), schema.min_items, schema.max_items, "items"),
        Value::Object(fields) => size(
            fields.len(),
            schema.min_properties,
            schema.max_properties,
            "entries",
        ),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let below = schema.minimum.is_some_and(|least| number < least);
            let above = schema.maximum.is_some_and(|most| number > most);
            (below || above).then(|| range(schema))
        }
        _ => None,
    }
}

fn size(size: usize, least: Option<i64>, most: Option<i64>, what: &str) -> Option<String> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if let Some(most) = most.filter(|most| size > *most) {
        return Some(format!("has {size} {what}; {most} is the most"));
    }
    let least = least.filter(|least| size < *least)?;
    Some(format!("has {size} {what}; {least} is the least"))
}

fn range(schema: &JSONSchemaProps) -> String {
    let least = schema.minimum.unwrap_or(i32::MIN.into());
    let most = schema.maximum.unwrap_or(i32::MAX.into());
    format!("must be between {least} and {most}")
}
