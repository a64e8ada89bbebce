//! Answers are what the documentation says of them.

use kymaros_crds::domain::Tier;
use serde_json::{Value, json};

use super::{
    clusters,
    routes::CALLS,
    world::{Answered, World},
};
use crate::api::document;

/// What of a value is not as its schema says; only what our documents say of schemas is known here.
struct Judge(Value);

impl Judge {
    fn mistakes(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut mistakes = Vec::new();
        if let Some(reference) = schema["$ref"].as_str() {
            let there = self.0.pointer(reference.trim_start_matches('#')).unwrap();
            mistakes.extend(self.mistakes(there, value, at));
        }
        for each in schema["allOf"].as_array().into_iter().flatten() {
            mistakes.extend(self.mistakes(each, value, at));
        }
        if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            let of_each = choices.iter().map(|each| self.mistakes(each, value, at));
            mistakes.extend(of_each.min_by_key(Vec::len).unwrap_or_default());
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        if !types.is_empty() && !types.iter().any(|one| is_of(one, value)) {
            mistakes.push(format!("{at}: {value} is no {}", schema["type"]));
        }
        let known = schema["enum"].as_array();
        let is_other = known.is_some_and(|all| !all.contains(value));
        if is_other || (!schema["const"].is_null() && schema["const"] != *value) {
            mistakes.push(format!("{at}: {value} is not in {schema}"));
        }
        match value {
            Value::Object(fields) => {
                for field in schema["required"].as_array().into_iter().flatten() {
                    if !fields.contains_key(field.as_str().unwrap()) {
                        mistakes.push(format!("{at}: {field} is required"));
                    }
                }
                for (field, value) in fields {
                    let at = format!("{at}.{field}");
                    match (&schema["properties"][field], &schema["additionalProperties"]) {
                        (Value::Null, others @ Value::Object(_)) => {
                            mistakes.extend(self.mistakes(others, value, &at));
                        }
                        (Value::Null, _) if schema["properties"].is_object() => {
                            mistakes.push(format!("{at}: unknown"));
                        }
                        (of_field, _) => mistakes.extend(self.mistakes(of_field, value, &at)),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    mistakes.extend(self.mistakes(&schema["items"], item, &format!("{at}[]")));
                }
            }
            _ => {}
        }
        mistakes
    }

    fn holds(&self, method: &str, route: &str, answered: &Answered) {
        let code = answered.status.as_str();
        let response = &self.0["paths"][route][method.to_lowercase()]["responses"][code];
        assert!(response.is_object(), "{method} {route}: {code} is not documented");
        let content = &response["content"]["application/json"];
        if content.is_object() {
            let mistakes = self.mistakes(&content["schema"], &answered.json(), "");
            assert_eq!(mistakes, [""; 0], "{method} {route}: {code}");
        }
    }
}

/// That an answer is as documented.
pub fn holds(method: &str, route: &str, answered: &Answered) {
    Judge(document()).holds(method, route, answered);
}

fn is_of(type_: &Value, value: &Value) -> bool {
    match type_.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn a_schema_says_no() {
    let shape = json!({
        "type": "object", "required": ["name"],
        "properties": { "name": { "type": "string" }, "kind": { "oneOf": [{ "const": "a" }, { "enum": ["b"] }] } },
    });
    let judge = Judge(json!({ "shape": shape }));
    let count = |value: Value| {
        judge
            .mistakes(
                &json!({ "type": "array", "items": { "$ref": "#/shape" } }),
                &value,
                "",
            )
            .len()
    };
    assert_eq!(count(json!([{ "name": "x", "kind": "b" }])), 0);
    for wrong in [
        json!({}),
        json!([{}]),
        json!([{ "name": 1 }]),
        json!([{ "name": null }]),
        json!([{ "name": "x", "kind": "c" }]),
        json!([{ "name": "x", "more": 1 }]),
    ] {
        assert_eq!(count(wrong.clone()), 1, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_as_documented() {
    let judge = Judge(document());
    let [community, team, enterprise] = [Tier::Community, Tier::Team, Tier::Enterprise].map(World::with_tier);
    for world in [community, team, enterprise, clusters::world()] {
        for (method, route, address, body, _) in CALLS {
            let join = if address.contains('?') { '&' } else { '?' };
            for more in [
                "",
                "namespace=ops",
                "namespace=nowhere",
                "cluster=local",
                "cluster=asia",
            ] {
                for token in ["admin", "nobody", ""] {
                    let address = format!("{address}{join}{more}");
                    let answered = world.ask(method, &address, token, body).await;
                    judge.holds(method, route, &answered);
                }
            }
        }
    }
    let lists = clusters::world();
    for (route, address) in [
        ("/api/v1/reports", "/api/v1/reports?cluster=eu"),
        ("/api/v1/reports/{name}", "/api/v1/reports/erp-1"),
        ("/api/v1/tests/{name}", "/api/v1/tests/shop"),
        (
            "/api/v1/tests/{name}",
            "/api/v1/tests/shop?namespace=ops&cluster=local",
        ),
        ("/api/v1/summary/daily", "/api/v1/summary/daily?days=x"),
    ] {
        judge.holds("GET", route, &lists.get(address).await);
    }
}
