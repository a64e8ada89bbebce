//! The kinds, field by field, from their schemas.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::Result;
use kymaros_crds::generate;
use kymaros_webhooks::default::Defaults;
use serde_json::{Value, json};

use super::{
    head,
    table::{code, sentences, table},
};

/// A row: the field, its type, its default, its limits, what it means.
type Row = [String; 5];

pub(super) fn page() -> Result<String> {
    let about = "Group `restore.kymaros.io`, version `v1alpha1`. `*` marks what is required. Defaults of \
                 sandboxes, timeouts and histories are those of the installation: the chart's values `sandbox` and \
                 `testDefaults` change them. `kubectl explain` shows the same in a terminal.";
    let mut text = head("Kinds", about);
    let defaults = defaults();
    let mut seen = BTreeMap::new();
    for definition in generate::crds() {
        let definition = serde_json::to_value(definition)?;
        let names = &definition["spec"]["names"];
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let (kind, plural) = (text_of(&names["kind"]), text_of(&names["plural"]));
        let short = text_of(&names["shortNames"][0]);
        write!(
            text,
            "\n## {kind}\n\n{}\n\nAs `{plural}`, short `{short}`.\n",
            text_of(&schema["description"])
        )?;
        let mut rows = Vec::new();
        let mut walk = Walk {
            kind,
            defaults: if kind == "RestoreTest" {
                &defaults
            } else {
                &Value::Null
            },
            seen: &mut seen,
            rows: &mut rows,
        };
        for part in ["spec", "status"] {
            let is_required = schema["required"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(part)));
            if !schema["properties"][part].is_null() {
                walk.field(part, &schema["properties"][part], is_required);
            }
        }
        text.push_str(&table(["field", "type", "default", "limits", "meaning"], &rows));
    }
    Ok(text)
}

/// What a test gets for what it leaves open.
fn defaults() -> Value {
    let mut spec = json!({});
    Defaults::default().fill(&mut spec);
    json!({ "spec": spec })
}

struct Walk<'a> {
    kind: &'a str,
    defaults: &'a Value,
    /// Where an object of this shape was described first, by the shape.
    seen: &'a mut BTreeMap<String, String>,
    rows: &'a mut Vec<Row>,
}

impl Walk<'_> {
    fn field(&mut self, path: &str, schema: &Value, is_required: bool) {
        let name = if is_required {
            format!("`{path}` *")
        } else {
            code(path)
        };
        let item = &schema["items"];
        let (inner, below) = if item.is_object() {
            (item, format!("{path}[]"))
        } else {
            (schema, path.to_owned())
        };
        let has_fields = inner["properties"].is_object();
        let mut meaning = vec![text_of(&schema["description"]).to_owned(), rules(&[schema, item])];
        let shape = inner["properties"].to_string();
        let known = self.seen.get(&shape).filter(|_| has_fields).cloned();
        if let Some(known) = &known {
            meaning.push(format!("Its fields are those of {known}."));
        }
        self.rows.push([
            name,
            type_of(schema),
            code(&self.default(path)),
            limits(schema),
            sentences(&meaning),
        ]);
        if has_fields && known.is_none() {
            self.seen.insert(shape, format!("`{below}` of {}", self.kind));
            let required = inner["required"].as_array().cloned().unwrap_or_default();
            let fields = inner["properties"].as_object().into_iter().flatten();
            // What must be written comes first.
            let (must, may): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| required.contains(&json!(name)));
            for (name, schema) in &must {
                self.field(&format!("{below}.{name}"), schema, true);
            }
            for (name, schema) in &may {
                self.field(&format!("{below}.{name}"), schema, false);
            }
        }
    }

    fn default(&self, path: &str) -> String {
        match self.defaults.pointer(&format!("/{}", path.replace('.', "/"))) {
            Some(Value::String(text)) => text.clone(),
            Some(value) if !value.is_object() && !value.is_null() => value.to_string(),
            _ => String::new(),
        }
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn type_of(schema: &Value) -> String {
    let of = |schema: &Value| match text_of(&schema["type"]) {
        "" => "anything".to_owned(),
        name => name.to_owned(),
    };
    if schema["items"].is_object() {
        return format!("list of {}s", of(&schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        return format!("map of {}s", of(&schema["additionalProperties"]));
    }
    match text_of(&schema["format"]) {
        "date-time" | "micro-time" => "time".to_owned(),
        _ => of(schema),
    }
}

/// What the schema allows.
pub(super) fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    let number = |name: &str| schema[name].as_f64();
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(text_of).filter(|value| !value.is_empty());
        limits.push(values.map(code).collect::<Vec<_>>().join(", "));
    }
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => limits.push(format!("{least} to {most}")),
        (Some(least), None) if least > 0.0 => limits.push(format!("at least {least}")),
        (None, Some(most)) => limits.push(format!("at most {most}")),
        (_, None) => {}
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
    ] {
        match (number(least), number(most)) {
            (Some(least), Some(most)) => limits.push(format!("{least} to {most} {unit}")),
            (Some(1.0), None) => limits.push("not empty".to_owned()),
            (Some(least), None) => limits.push(format!("at least {least} {unit}")),
            (None, Some(most)) => limits.push(format!("at most {most} {unit}")),
            (None, None) => {}
        }
    }
    if let Some(form) = schema["pattern"].as_str().and_then(form) {
        limits.push(form.to_owned());
    }
    limits.join("; ")
}

/// Patterns that people know by a name.
fn form(pattern: &str) -> Option<&'static str> {
    if pattern.contains("ns|us") {
        Some("a duration: `90s`, `1h30m`")
    } else if pattern.contains("numkMGTPE") {
        Some("a quantity: `500m`, `4Gi`")
    } else if pattern.contains("[-a-z0-9.]*") {
        Some("a name of Kubernetes")
    } else if pattern.contains("[-a-z0-9]*") {
        Some("a DNS label")
    } else {
        None
    }
}

/// Rules beyond single values, in words.
fn rules(schemas: &[&Value]) -> String {
    let rules = schemas
        .iter()
        .filter_map(|schema| schema["x-kubernetes-validations"].as_array());
    let said: Vec<&str> = rules.flatten().map(|rule| text_of(&rule["message"])).collect();
    if said.is_empty() {
        String::new()
    } else {
        format!("Refused: {}", said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there_with_its_default_and_its_limits() {
        let page = page().unwrap();
        for row in [
            "| `spec.sandbox.ttl` | string | `30m` | at most 64 characters; a duration: `90s`, `1h30m` |",
            "| `spec.historyLimit` | integer | `10` | 1 to 10000 |",
            "| `spec.backupSource.namespaces[].name` * | string |  | 1 to 63 characters; a DNS label |",
            "| `spec.sandbox.networkIsolation` | string | `strict` | `strict`, `group` |",
            "Its fields are those of `spec.backupSource` of RestoreTest.",
            "| `status.findings[].cause` *",
            "Refused: two checks have the same name",
        ] {
            assert!(page.contains(row), "no {row}");
        }
    }

    #[test]
    fn every_field_says_what_it_means() {
        for line in page().unwrap().lines().filter(|line| line.starts_with("| `")) {
            let fields = line.replace("\\|", "");
            let meaning = fields.split('|').nth(5).unwrap_or_default().trim();
            let open = ["spec", "status"].map(|part| format!("| `{part}` "));
            let is_part = open.iter().any(|part| line.starts_with(part));
            assert!(is_part || !meaning.is_empty(), "{line}");
        }
    }
}
