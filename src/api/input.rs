//! What creates and changes a test: the flat JSON of 0.6.9, and a few fields more.

use axum::http::StatusCode;
use kymaros_crds::{RestoreTestSpec, domain::duration};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::Problem;

/// The agreed time for recovery.
const MAX_RTO: &str = "/sla/maxRTO";
/// Where each text goes. Durations are read here: everything else is judged by admission, with its own words.
const TEXTS: [(&str, &str, Kind); 16] = [
    ("backupName", "/backupSource/backupName", Kind::Text),
    ("scheduleName", "/backupSource/scheduleName", Kind::Text),
    ("maxAge", "/backupSource/maxAge", Kind::Duration),
    ("cron", "/schedule/cron", Kind::Text),
    ("timezone", "/schedule/timezone", Kind::Text),
    ("sandboxPrefix", "/sandbox/namespacePrefix", Kind::Text),
    ("ttl", "/sandbox/ttl", Kind::Duration),
    ("networkIsolation", "/sandbox/networkIsolation", Kind::Text),
    ("quotaCpu", "/sandbox/resourceQuota/cpu", Kind::Text),
    ("quotaMemory", "/sandbox/resourceQuota/memory", Kind::Text),
    ("quotaStorage", "/sandbox/resourceQuota/storage", Kind::Text),
    ("healthCheckRef", "/healthChecks/policyRef", Kind::Text),
    ("healthCheckTimeout", "/healthChecks/timeout", Kind::Duration),
    ("timeout", "/timeout", Kind::Duration),
    ("maxRTO", MAX_RTO, Kind::Duration),
    ("provider", "/backupSource/provider", Kind::Text),
];
/// Fields that are no text of the spec.
const OTHERS: [&str; 6] = [
    "name",
    "namespace",
    "namespaces",
    "alertOnExceed",
    "suspend",
    "historyLimit",
];

/// For the documentation.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let mut properties = Map::new();
    for (field, pointer, _) in TEXTS {
        let becomes = format!("Becomes `spec{}`", pointer.replace('/', "."));
        properties.insert(
            field.to_owned(),
            json!({ "type": ["string", "null"], "description": becomes }),
        );
    }
    for (field, becomes, mut schema) in [
        ("name", "Name of the test", json!({ "type": "string" })),
        ("namespace", "Namespace of the test", json!({ "type": "string" })),
        (
            "namespaces",
            "The names in `spec.backupSource.namespaces`",
            json!({ "type": "array", "items": { "type": "string" } }),
        ),
        (
            "alertOnExceed",
            "Becomes `spec.sla.alertOnExceed`; nothing without `maxRTO`, which is said in `Kymaros-Notice`",
            json!({ "type": "boolean" }),
        ),
        ("suspend", "Becomes `spec.suspend`", json!({ "type": "boolean" })),
        (
            "historyLimit",
            "Becomes `spec.historyLimit`",
            json!({ "type": "integer", "minimum": 1, "maximum": 10_000 }),
        ),
    ] {
        schema["description"] = json!(becomes);
        properties.insert(field.to_owned(), schema);
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema.insert("properties".to_owned(), Value::Object(properties));
    Schema::from(schema)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Duration,
}

/// What was given, read and checked field by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestInput {
    /// Name of the test.
    pub name: Option<String>,
    /// Namespace of the test.
    pub namespace: Option<String>,
    /// The namespaces it restores.
    pub namespaces: Option<Vec<String>>,
    /// Fields of the spec as pointers; null takes one away.
    fields: Vec<(&'static str, Value)>,
    alert_on_exceed: Option<bool>,
}

impl TestInput {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 with the first field that is wrong.
    pub fn read(body: &[u8]) -> Result<Self, Problem> {
        let map = object(body, r#"{"name": "shop"}"#)?;
        known(&map, || TEXTS.iter().map(|(field, ..)| *field).chain(OTHERS))?;
        let mut input = Self {
            name: text(&map, "name")?,
            namespace: text(&map, "namespace")?,
            namespaces: names(&map)?,
            fields: Vec::new(),
            alert_on_exceed: flag(&map, "alertOnExceed")?,
        };
        for (field, pointer, kind) in TEXTS {
            if map.get(field).is_some_and(Value::is_null) && field != "provider" {
                input.fields.push((pointer, Value::Null));
            }
            let Some(text) = text(&map, field)? else { continue };
            match (field, kind) {
                ("provider", _) if text != "velero" => {
                    let error = format!("unsupported provider {text:?}, available: velero");
                    return Err(Problem::field(field, error));
                }
                (_, Kind::Duration) => {
                    duration::parse(&text)
                        .map_err(|error| Problem::field(field, format!("{field}: {text:?} {error}")))?;
                }
                _ => {}
            }
            input.fields.push((pointer, Value::String(text)));
        }
        if let Some(suspend) = flag(&map, "suspend")? {
            input.fields.push(("/suspend", Value::Bool(suspend)));
        }
        if let Some(limit) = map.get("historyLimit") {
            let number = limit.as_i64().filter(|limit| (1..=10_000).contains(limit));
            let number = number.ok_or_else(|| {
                Problem::field(
                    "historyLimit",
                    "historyLimit: write a whole number from 1 to 10000",
                )
            })?;
            input.fields.push(("/historyLimit", json!(number)));
        }
        Ok(input)
    }

    /// The spec of a new test.
    ///
    /// # Errors
    /// 400 when there is no name or no namespace to restore.
    pub(super) fn new_spec(&self) -> Result<(String, Value), Problem> {
        let name = self
            .name
            .clone()
            .ok_or_else(|| Problem::field("name", "name is required"))?;
        let namespaces = self.namespaces.as_ref().ok_or_else(no_namespace)?;
        let mut spec = json!({ "backupSource": { "provider": "velero" }, "schedule": {}, "sandbox": {} });
        put(&mut spec, "/backupSource/namespaces", named(namespaces, None));
        for (pointer, value) in self.fields.iter().filter(|(_, value)| !value.is_null()) {
            put(&mut spec, pointer, value.clone());
        }
        if let Some(alert) = self.alert_on_exceed.filter(|_| self.agrees_on_time(None)) {
            put(&mut spec, "/sla/alertOnExceed", json!(alert));
        }
        Ok((name, spec))
    }

    /// What is to be changed of a spec, as a merge patch: what was given, and nothing else.
    pub(super) fn patch(&self, spec: &RestoreTestSpec) -> Value {
        let mut patch = json!({});
        if let Some(namespaces) = &self.namespaces {
            put(
                &mut patch,
                "/backupSource/namespaces",
                named(namespaces, Some(spec)),
            );
        }
        for (pointer, value) in &self.fields {
            put(&mut patch, pointer, value.clone());
        }
        // 0.6.9 sent it with every change, with or without an agreed time; without one it says nothing.
        if let Some(alert) = self.alert_on_exceed.filter(|_| self.agrees_on_time(Some(spec))) {
            put(&mut patch, "/sla/alertOnExceed", json!(alert));
        }
        if patch.pointer(MAX_RTO).is_some_and(Value::is_null) {
            put(&mut patch, "/sla", Value::Null);
        }
        patch
    }

    /// What was given and comes to nothing, in a line; for a test that is changed, with its spec before.
    pub(super) fn comes_to_nothing(&self, before: Option<&RestoreTestSpec>) -> Option<&'static str> {
        let is_lost = self.alert_on_exceed == Some(true) && !self.agrees_on_time(before);
        is_lost.then_some("alertOnExceed is not kept, for there is no time to exceed; send maxRTO with it")
    }

    /// Whether the test has an agreed time for recovery then.
    fn agrees_on_time(&self, before: Option<&RestoreTestSpec>) -> bool {
        let given = self.fields.iter().find(|(pointer, _)| *pointer == MAX_RTO);
        match given {
            Some((_, value)) => !value.is_null(),
            None => before.is_some_and(|spec| spec.sla.is_some()),
        }
    }
}

/// The fields of a body.
pub(super) fn object(body: &[u8], example: &str) -> Result<Map<String, Value>, Problem> {
    let wrong = |error: String| {
        let error = format!("invalid JSON: {error}; write an object, such as {example}");
        Problem::new(StatusCode::BAD_REQUEST, error)
    };
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(wrong("this is none".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Refuses what is no field, and says which may have been meant.
pub(super) fn known<'a, I>(map: &Map<String, Value>, all: impl Fn() -> I) -> Result<(), Problem>
where
    I: Iterator<Item = &'a str>,
{
    let Some(unknown) = map.keys().find(|key| !all().any(|field| field == *key)) else {
        return Ok(());
    };
    let near = all()
        .map(|field| {
            (
                strsim::osa_distance(&field.to_lowercase(), &unknown.to_lowercase()),
                field,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let hint = near
        .map(|(_, field)| format!("; did you mean {field}?"))
        .unwrap_or_default();
    Err(Problem::field(
        unknown,
        format!("unknown field {unknown:?}{hint}"),
    ))
}

/// A text; none when it is empty, as clients of 0.6.9 write "not set".
pub(super) fn text(map: &Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(other) => Err(Problem::field(
            field,
            format!("{field}: {other} is not a text; put it in quotes"),
        )),
    }
}

fn flag(map: &Map<String, Value>, field: &str) -> Result<Option<bool>, Problem> {
    match map.get(field) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(Problem::field(
            field,
            format!("{field}: {other} is neither true nor false"),
        )),
    }
}

fn names(map: &Map<String, Value>) -> Result<Option<Vec<String>>, Problem> {
    let wrong = || {
        Problem::field(
            "namespaces",
            "namespaces: write a list of names, such as [\"shop\"]",
        )
    };
    match map.get("namespaces") {
        None => Ok(None),
        Some(Value::Array(items)) if items.is_empty() => Err(no_namespace()),
        Some(Value::Array(items)) => {
            let names = items.iter().map(|item| item.as_str().map(str::to_owned));
            names.collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

fn no_namespace() -> Problem {
    Problem::field("namespaces", "at least one namespace is required")
}

/// Namespaces by name; those that stay keep the sandbox name they have.
fn named(namespaces: &[String], spec: Option<&RestoreTestSpec>) -> Value {
    let before = |name: &String| {
        let known = spec.iter().flat_map(|spec| &spec.backup_source.namespaces);
        known
            .into_iter()
            .find(|known| known.name == *name)
            .map(|known| json!(known))
    };
    namespaces
        .iter()
        .map(|name| before(name).unwrap_or_else(|| json!({ "name": name })))
        .collect()
}

/// Puts a value where a pointer says, and makes the way there.
fn put(into: &mut Value, pointer: &str, value: Value) {
    let mut at = into;
    for part in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[part];
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<TestInput, Problem> {
        TestInput::read(body.to_string().as_bytes())
    }

    #[test]
    fn a_test_of_0_6_9_becomes_a_spec() {
        let body = json!({
            "name": "shop", "provider": "velero", "backupName": "latest", "namespaces": ["shop", "db"],
            "cron": "0 3 * * *", "timezone": "UTC", "sandboxPrefix": "", "ttl": "30m", "networkIsolation": "strict",
            "quotaCpu": "2", "quotaMemory": "4Gi", "healthCheckRef": "", "healthCheckTimeout": "", "maxRTO": "15m",
            "alertOnExceed": true,
        });
        let (name, spec) = read(&body).unwrap().new_spec().unwrap();
        let wanted = json!({
            "backupSource": { "provider": "velero", "backupName": "latest",
                              "namespaces": [{ "name": "shop" }, { "name": "db" }] },
            "schedule": { "cron": "0 3 * * *", "timezone": "UTC" },
            "sandbox": { "ttl": "30m", "networkIsolation": "strict", "resourceQuota": { "cpu": "2", "memory": "4Gi" } },
            "sla": { "maxRTO": "15m", "alertOnExceed": true },
        });
        assert_eq!((name.as_str(), spec), ("shop", wanted));
    }

    #[test]
    fn the_documentation_knows_every_field() {
        let schema = schema(&mut SchemaGenerator::default());
        let documented = schema.get("properties").and_then(Value::as_object).unwrap();
        let all = TEXTS.iter().map(|(field, ..)| *field).chain(OTHERS);
        assert_eq!(all.clone().count(), documented.len());
        for field in all {
            assert!(documented.contains_key(field), "{field}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_field() {
        for (body, field, said) in [
            (json!({ "nmae": "x" }), "nmae", "did you mean name?"),
            (json!({ "name": 3 }), "name", "not a text"),
            (json!({ "ttl": "5min" }), "ttl", "unknown unit"),
            (json!({ "maxRTO": "soon" }), "maxRTO", "not a duration"),
            (
                json!({ "healthCheckTimeout": "-1m" }),
                "healthCheckTimeout",
                "negative",
            ),
            (
                json!({ "provider": "kasten" }),
                "provider",
                "unsupported provider \"kasten\", available: velero",
            ),
            (json!({ "namespaces": "shop" }), "namespaces", "list of names"),
            (json!({ "namespaces": [1] }), "namespaces", "list of names"),
            (json!({ "alertOnExceed": "yes" }), "alertOnExceed", "neither"),
            (json!({ "historyLimit": 0 }), "historyLimit", "whole number"),
            (json!({ "historyLimit": 1.5 }), "historyLimit", "whole number"),
            (json!({ "namespaces": [] }), "namespaces", "at least one"),
            (json!({ "namespaces": null }), "namespaces", "list of names"),
            (
                json!({ "alertOnExceed": null }),
                "alertOnExceed",
                "null is neither",
            ),
            (json!({ "suspend": null }), "suspend", "null is neither"),
            (json!({ "historyLimit": null }), "historyLimit", "whole number"),
        ] {
            let Err(Problem::Said(problem)) = read(&body) else {
                panic!("{body} was taken")
            };
            assert_eq!(problem.field.as_deref(), Some(field), "{body}");
            assert!(problem.error.contains(said), "{body}: {}", problem.error);
        }
        for (body, said) in [
            ("", "invalid JSON: "),
            ("[]", "object"),
            ("{\"name\"", "invalid JSON: "),
        ] {
            let Err(Problem::Said(problem)) = TestInput::read(body.as_bytes()) else {
                panic!("{body} was taken")
            };
            assert!(problem.error.contains(said), "{body}: {}", problem.error);
        }
        for (body, said) in [
            (json!({ "namespaces": ["shop"] }), "name is required"),
            (json!({ "name": "shop" }), "at least one namespace is required"),
        ] {
            let Err(Problem::Said(problem)) = read(&body).unwrap().new_spec() else {
                panic!("{body} was taken")
            };
            assert_eq!(problem.error, said);
        }
    }

    #[test]
    fn a_change_is_what_was_given_and_nothing_else() {
        let spec: RestoreTestSpec = serde_json::from_value(json!({
            "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop", "sandboxName": "try" }] },
            "schedule": { "cron": "0 3 * * *" },
        }))
        .unwrap();
        let patch = |body: Value| read(&body).unwrap().patch(&spec);
        assert_eq!(patch(json!({})), json!({}));
        assert_eq!(
            patch(json!({ "cron": "0 4 * * *", "ttl": "", "alertOnExceed": false })),
            json!({ "schedule": { "cron": "0 4 * * *" } })
        );
        assert_eq!(
            patch(json!({ "namespaces": ["shop", "db"] })),
            json!({ "backupSource": { "namespaces": [{ "name": "shop", "sandboxName": "try" }, { "name": "db" }] } })
        );
        assert_eq!(patch(json!({ "alertOnExceed": true })), json!({}));
        assert_eq!(
            patch(json!({ "maxRTO": null, "alertOnExceed": true })),
            json!({ "sla": null })
        );
        assert_eq!(patch(json!({ "maxRTO": null })), json!({ "sla": null }));
        assert_eq!(patch(json!({ "suspend": true })), json!({ "suspend": true }));
        assert_eq!(
            patch(json!({ "maxRTO": "5m", "alertOnExceed": false })),
            json!({ "sla": { "maxRTO": "5m", "alertOnExceed": false } })
        );
    }

    #[test]
    fn an_alert_without_a_time_is_said_to_come_to_nothing() {
        let spec = |sla: Value| -> RestoreTestSpec {
            let source = json!({ "provider": "velero", "namespaces": [{ "name": "shop" }] });
            let cron = json!({ "cron": "@daily" });
            serde_json::from_value(json!({ "backupSource": source, "schedule": cron, "sla": sla })).unwrap()
        };
        let (without, with) = (spec(Value::Null), spec(json!({ "maxRTO": "5m" })));
        for (body, before, is_lost) in [
            (json!({ "alertOnExceed": true }), None, true),
            (json!({ "alertOnExceed": true, "maxRTO": "" }), None, true),
            (json!({ "alertOnExceed": true, "maxRTO": "5m" }), None, false),
            (json!({ "alertOnExceed": false }), None, false),
            (json!({}), None, false),
            (json!({ "alertOnExceed": true }), Some(&without), true),
            (json!({ "alertOnExceed": true }), Some(&with), false),
            (
                json!({ "alertOnExceed": true, "maxRTO": null }),
                Some(&with),
                true,
            ),
        ] {
            let line = read(&body).unwrap().comes_to_nothing(before);
            assert_eq!(
                line.is_some_and(|line| line.contains("maxRTO")),
                is_lost,
                "{body}"
            );
        }
    }
}
