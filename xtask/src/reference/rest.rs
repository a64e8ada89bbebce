//! The REST API, from its own document.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use anyhow::Result;
use serde_json::{Map, Value};

use super::{
    crds::{limits, type_of},
    head,
    table::{code, sentences, table},
};

/// Shapes that have a description of their own, and where.
const ELSEWHERE: [(&str, &str); 2] = [
    ("RestoreReport", "crds.md#restorereport"),
    ("RestoreTestSpec", "crds.md#restoretest"),
];

/// Answers that every route has.
const OF_ALL: [&str; 6] = ["400", "401", "403", "421", "429", "503"];

pub(super) fn page() -> Result<String> {
    let about = "Every route. The operator serves the same as OpenAPI 3.1 under `/api/v1/openapi.json`; \
                 [rest-api.md](../rest-api.md) says how it is reached and by whom. Every route but the document itself \
                 also takes `namespace`, where it reads objects of namespaces.";
    let document = kymaros::api::document();
    let mut text = head("REST API", about);
    let common = "\nAny route may also answer with one of these, as [Said](#said): 400 when a parameter or field is wrong, 401 \
                  without a valid token, 403 when the account may not, 421 under a name that is not of this installation where \
                  nobody is known, 429 after too many requests or with too many live streams, and 503 when the API server does not answer. After these two, `Retry-After` says when to ask again. A route that the tier does \
                  not have answers 403 too, as [Closed](#closed). What an answer lacks is said in `Kymaros-Notice`, one line a \
                  header: what the tier hides, clusters that are away, what was given and comes to nothing.\n";
    text.push_str(common);
    let mut wanted = BTreeSet::from(["Said", "Closed"].map(str::to_owned));
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            text.push_str(&route(method, path, operation, &mut wanted)?);
        }
    }
    text.push_str("\n## Shapes\n");
    let schemas = &document["components"]["schemas"];
    let mut described: BTreeMap<String, String> = BTreeMap::new();
    while let Some(name) = wanted.iter().find(|name| !described.contains_key(*name)).cloned() {
        let description = shape(&name, &schemas[&name], &mut wanted)?;
        described.insert(name, description);
    }
    text.extend(described.into_values());
    Ok(text)
}

fn route(method: &str, path: &str, operation: &Value, wanted: &mut BTreeSet<String>) -> Result<String> {
    let words = [&operation["summary"], &operation["description"]]
        .map(|text| text.as_str().unwrap_or_default().to_owned());
    let mut text = format!(
        "\n### {} {path}\n\n{}\n",
        method.to_uppercase(),
        sentences(&words)
    );
    let parameters = operation["parameters"].as_array();
    let rows: Vec<[String; 3]> = parameters
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["name"] != "namespace" && parameter["in"] == "query")
        .map(|parameter| {
            let of = |name: &str| parameter[name].as_str().unwrap_or_default();
            [
                code(of("name")),
                type_and_limits(&parameter["schema"], type_of(&parameter["schema"])),
                sentences(&[of("description").to_owned()]),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&table(["parameter", "type", "meaning"], &rows));
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if body["properties"].is_object() {
        text.push_str(&fields("field of the body", body, wanted));
    } else if let Some(name) = reference(body) {
        write!(text, "\nThe body: {}.\n", link(&name, wanted))?;
    }
    let mut rows = Vec::new();
    let responses = operation["responses"].as_object().into_iter().flatten();
    for (code_of_status, response) in responses.filter(|(code, _)| !OF_ALL.contains(&code.as_str())) {
        let content = response["content"]
            .as_object()
            .and_then(|content| content.iter().next());
        let answer = content.map_or_else(String::new, |(type_, content)| match type_.as_str() {
            "application/json" => type_text(&content["schema"], wanted),
            other => code(other),
        });
        let meaning = response["description"].as_str().unwrap_or_default();
        rows.push([code_of_status.clone(), answer, sentences(&[meaning.to_owned()])]);
    }
    Ok(text + &table(["status", "answer", "when"], &rows))
}

/// Kinds of Kubernetes have long names.
fn title(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn shape(name: &str, schema: &Value, wanted: &mut BTreeSet<String>) -> Result<String> {
    let about = schema["description"].as_str().unwrap_or_default().to_owned();
    let mut text = format!("\n### {}\n\n{}\n", title(name), sentences(&[about]));
    if let Some(values) = values(schema) {
        write!(text, "\nOne of {}.\n", values.join(", "))?;
    }
    if schema["properties"].is_object() {
        text.push_str(&fields("field", schema, wanted));
    }
    Ok(text)
}

/// The values of an enumeration, which may each have words of their own.
fn values(schema: &Value) -> Option<Vec<String>> {
    let plain = schema["enum"].as_array().cloned();
    let each = schema["oneOf"].as_array().map(|all| {
        let constants = all.iter().flat_map(|one| match one["enum"].as_array() {
            Some(values) => values.clone(),
            None => vec![one["const"].clone()],
        });
        constants.collect()
    });
    let values: Vec<Value> = plain.or(each)?;
    Some(
        values
            .iter()
            .filter_map(|value| value.as_str().map(code))
            .collect(),
    )
}

fn fields(title: &str, schema: &Value, wanted: &mut BTreeSet<String>) -> String {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let rows: Vec<[String; 3]> = properties
        .iter()
        .map(|(name, schema)| {
            let meaning = schema["description"].as_str().unwrap_or_default().to_owned();
            let type_ = type_text(schema, wanted);
            [code(name), type_and_limits(schema, type_), sentences(&[meaning])]
        })
        .collect();
    table([title, "type", "meaning"], &rows)
}

fn type_and_limits(schema: &Value, type_: String) -> String {
    let limits = limits(schema);
    if limits.is_empty() {
        type_
    } else {
        format!("{type_} ({limits})")
    }
}

fn type_text(schema: &Value, wanted: &mut BTreeSet<String>) -> String {
    if let Some(name) = reference(schema) {
        return link(&name, wanted);
    }
    if let Some(name) = reference(&schema["items"]) {
        return format!("list of {}", link(&name, wanted));
    }
    match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => type_of(schema),
    }
}

/// The shape that a schema is, also as one that may be missing.
fn reference(schema: &Value) -> Option<String> {
    let inside = schema["anyOf"].as_array().or(schema["allOf"].as_array());
    let own = schema["$ref"].as_str();
    let text = own.or_else(|| inside.into_iter().flatten().find_map(|one| one["$ref"].as_str()))?;
    text.rsplit('/').next().map(str::to_owned)
}

fn link(name: &str, wanted: &mut BTreeSet<String>) -> String {
    let there = ELSEWHERE.iter().find(|(known, _)| *known == name);
    if let Some((_, place)) = there {
        return format!("[{name}]({place})");
    }
    wanted.insert(name.to_owned());
    let title = title(name);
    format!("[{title}](#{})", title.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_there_with_what_it_takes_and_answers() {
        let page = page().unwrap();
        for part in [
            "### GET /api/v1/tests\n",
            "### POST /api/v1/tests/{name}/trigger\n",
            "Needs the right to list restoretests.restore.kymaros.io",
            "| `days` | integer (1 to 365) | Days to look back; 7 without it. |",
            "| `cron` | string or null | Becomes `spec.schedule.cron`. |",
            "| 200 | list of [RestoreReport](crds.md#restorereport) |",
            "### TestRow\n",
        ] {
            assert!(page.contains(part), "no {part}");
        }
        let routes = page
            .lines()
            .filter(|line| line.starts_with("### ") && line.contains(" /api/"))
            .count();
        assert!(routes > 25, "only {routes} routes");
    }
}
