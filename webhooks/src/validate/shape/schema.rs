//! The schemas of the kinds that people write.

use std::{collections::BTreeMap, sync::LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kymaros_crds::generate;
use regex::Regex;

use crate::validate::{Kind, metadata};

static TEST: LazyLock<JSONSchemaProps> = LazyLock::new(|| whole(Kind::RestoreTest));
static POLICY: LazyLock<JSONSchemaProps> = LazyLock::new(|| whole(Kind::HealthCheckPolicy));
static PATTERNS: LazyLock<BTreeMap<String, Regex>> = LazyLock::new(|| {
    let mut patterns = BTreeMap::new();
    collect(&TEST, &mut patterns);
    collect(&POLICY, &mut patterns);
    patterns
});

/// The schema of a kind, with what every object has.
pub(super) fn of(kind: Kind) -> &'static JSONSchemaProps {
    match kind {
        Kind::RestoreTest => &TEST,
        Kind::HealthCheckPolicy => &POLICY,
    }
}

/// A pattern of one of the schemas, compiled once.
pub(super) fn pattern(text: &str) -> Option<&'static Regex> {
    PATTERNS.get(text)
}

/// Fields with their paths, below a path; lists are `[]`.
pub(super) fn fields<'a>(schema: &'a JSONSchemaProps, path: &str) -> Vec<(String, &'a str)> {
    let mut all = Vec::new();
    for (name, below) in schema.properties.iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let deeper = fields(below, &path);
        all.push((path, name.as_str()));
        all.extend(deeper);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(of)) = &schema.items {
        all.extend(fields(of, &format!("{path}[]")));
    }
    all
}

fn whole(kind: Kind) -> JSONSchemaProps {
    let crds = generate::crds();
    let definition = crds.into_iter().find(|crd| crd.spec.names.kind == kind.as_str());
    let version = definition.and_then(|crd| crd.spec.versions.into_iter().next());
    let schema = version.and_then(|v| v.schema).and_then(|s| s.open_api_v3_schema);
    let mut schema = schema.unwrap_or_default();
    let text = JSONSchemaProps {
        type_: Some("string".to_owned()),
        ..JSONSchemaProps::default()
    };
    // Nobody but the operator writes it, and it is not what is judged.
    let status = JSONSchemaProps {
        x_kubernetes_preserve_unknown_fields: Some(true),
        ..JSONSchemaProps::default()
    };
    let common = [
        ("apiVersion", text.clone()),
        ("kind", text),
        ("metadata", metadata::SCHEMA.clone()),
        ("status", status),
    ];
    let properties = schema.properties.get_or_insert_default();
    properties.extend(common.map(|(name, schema)| (name.to_owned(), schema)));
    schema
        .required
        .get_or_insert_default()
        .push("metadata".to_owned());
    schema
}

fn collect(schema: &JSONSchemaProps, patterns: &mut BTreeMap<String, Regex>) {
    if let Some(text) = &schema.pattern
        && let Ok(regex) = Regex::new(text)
    {
        patterns.insert(text.clone(), regex);
    }
    for below in schema.properties.iter().flat_map(BTreeMap::values) {
        collect(below, patterns);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(below)) = &schema.items {
        collect(below, patterns);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(below)) = &schema.additional_properties {
        collect(below, patterns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_have_a_schema_and_all_patterns_compile() {
        for kind in [Kind::RestoreTest, Kind::HealthCheckPolicy] {
            let schema = of(kind);
            assert!(
                schema.properties.as_ref().unwrap()["spec"].properties.is_some(),
                "{kind:?}"
            );
            let text = serde_json::to_string(schema).unwrap();
            let count = text.matches("\"pattern\":").count();
            assert!(count > 0, "{kind:?}");
        }
        let all = [of(Kind::RestoreTest), of(Kind::HealthCheckPolicy)];
        let text = serde_json::to_string(&all).unwrap();
        for (index, _) in text.match_indices("\"pattern\":") {
            let rest = &text[index + "\"pattern\":".len()..];
            let pattern = serde_json::Deserializer::from_str(rest)
                .into_iter::<String>()
                .next()
                .unwrap()
                .unwrap();
            assert!(super::pattern(&pattern).is_some(), "{pattern}");
        }
    }
}
