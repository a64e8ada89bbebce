use crate::generate;
use serde_json::Value;

#[test]
fn the_committed_definitions_are_those_of_the_types() {
    let of_kubectl = generate::files().into_iter().map(|f| ("crds/generated", f));
    let of_helm = generate::templates()
        .into_iter()
        .map(|f| ("charts/kymaros-crds/templates", f));
    for (folder, (name, text)) in of_kubectl.chain(of_helm) {
        let path = format!("{}/../{folder}/{name}", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{folder}/{name} is not up to date; run: cargo xtask generate"
        );
    }
}

#[test]
fn helm_keeps_the_definitions_when_the_release_goes() {
    for (name, text) in generate::templates() {
        assert!(text.contains("helm.sh/resource-policy: keep"), "{name}");
    }
}

#[test]
fn the_text_says_what_the_definitions_say() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&generate::yaml()).unwrap();
    let definitions: Vec<Value> = generate::crds()
        .iter()
        .map(|c| serde_json::to_value(c).unwrap())
        .collect();
    assert_eq!(documents.len(), 3);
    for (document, definition) in documents.iter().zip(&definitions) {
        same(document, definition, "");
    }
}

/// Equal, but for `1` and `1.0`.
fn same(a: &Value, b: &Value, path: &str) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            assert_eq!(
                x.keys().collect::<Vec<_>>(),
                y.keys().collect::<Vec<_>>(),
                "{path}"
            );
            x.iter()
                .for_each(|(key, value)| same(value, &y[key], &format!("{path}.{key}")));
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{path}");
            x.iter().zip(y).for_each(|(x, y)| same(x, y, path));
        }
        (Value::Number(x), Value::Number(y)) => assert_eq!(x.as_f64(), y.as_f64(), "{path}"),
        _ => assert_eq!(a, b, "{path}"),
    }
}

/// Rules of structural schemas, and of what Kubernetes refuses or warns about.
#[test]
fn schemas_are_structural_and_write_nothing_into_objects() {
    fn walk(schema: &Value, path: &str) {
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        assert!(schema["type"].is_string() || open, "{path} has no type");
        for refused in ["default", "nullable", "$ref", "anyOf", "oneOf", "title"] {
            assert!(schema.get(refused).is_none(), "{path} has {refused}");
        }
        assert!(
            !schema["format"].as_str().unwrap_or_default().starts_with("uint"),
            "{path} is unsigned"
        );
        for value in schema["enum"].as_array().into_iter().flatten() {
            assert!(value.is_string(), "{path} allows {value}");
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            walk(schema, &format!("{path}.{name}"));
        }
        for below in ["items", "additionalProperties"] {
            if let Some(schema) = schema.get(below) {
                walk(schema, &format!("{path}[]"));
            }
        }
    }
    for kind in ["RestoreTest", "HealthCheckPolicy", "RestoreReport"] {
        walk(&super::admission::schema_of(kind), kind);
    }
}

/// Without limits the API server takes the worst case for the cost of a rule, and refuses the definition.
#[test]
fn everything_users_write_is_limited() {
    fn walk(schema: &Value, path: &str) {
        let limit = match schema["type"].as_str() {
            Some("string") if schema.get("enum").is_none() => "maxLength",
            Some("array") => "maxItems",
            Some("integer") => "maximum",
            Some("object") if schema.get("additionalProperties").is_some() => "maxProperties",
            _ => "type",
        };
        assert!(schema.get(limit).is_some(), "{path} has no {limit}");
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            walk(schema, &format!("{path}.{name}"));
        }
        for below in ["items", "additionalProperties"] {
            if let Some(schema) = schema.get(below) {
                walk(schema, &format!("{path}[]"));
            }
        }
    }
    for kind in ["RestoreTest", "HealthCheckPolicy"] {
        walk(&super::admission::schema_of(kind)["properties"]["spec"], kind);
    }
}

#[test]
fn conditions_merge_by_their_type() {
    for kind in ["RestoreTest", "RestoreReport"] {
        let conditions =
            &super::admission::schema_of(kind)["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map", "{kind}");
        assert_eq!(
            conditions["x-kubernetes-list-map-keys"],
            serde_json::json!(["type"]),
            "{kind}"
        );
    }
}
