//! The documentation of the routes, made from their table.

use std::sync::LazyLock;

use axum::{http::header::CONTENT_TYPE, response::IntoResponse};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    parameters::{CLUSTER, NAMESPACE, Parameter},
    problem::Said,
    route::{Answering, Ask, Need, Right, Route, Shape},
    table::routes,
};
use crate::fleet::Closed;

/// As people write it.
const NOTICE_NAME: &str = "Kymaros-Notice";

pub(super) fn openapi(_: Ask) -> Answering {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    let document = ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response();
    Box::pin(std::future::ready(Ok(document)))
}

/// The document: `OpenAPI` 3.1.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    // A field that is left out of answers may be required in a body, and the other way round.
    let mut answers = settings.clone().for_serialize().into_generator();
    let mut bodies = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operation = operation(&route, &mut answers, &mut bodies);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation;
    }
    let mut schemas = bodies.take_definitions(true);
    schemas.append(&mut answers.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kymaros",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Restore tests of Velero backups: what they prove, and when they run",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": { NOTICE_NAME: {
                "description": "What is not in the answer, one line a header: what the tier hides, clusters that are away, \
                                what was given and comes to nothing",
                "schema": { "type": "string" },
            } },
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "The token of an account of the cluster (kubectl create token), or the one of the installation",
            } },
        },
    })
}

fn operation(route: &Route, answers: &mut SchemaGenerator, bodies: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.summary,
        "description": needs(route.need),
        "parameters": parameters(route),
        "responses": responses(route, answers),
    });
    if let Some(body) = route.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body(bodies) } } });
    }
    if route.need != Need::Nothing {
        operation["security"] = json!([{ "token": [] }, {}]);
    }
    operation
}

/// Such as `getTestsName`.
fn id(route: &Route) -> String {
    let words = route
        .path
        .trim_start_matches("/api/v1/")
        .split(['/', '{', '}', '.', '-']);
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    route.method.to_lowercase() + &words.collect::<String>()
}

fn needs(need: Need) -> String {
    let all = |rights: &[Right]| -> String {
        let named: Vec<String> = rights.iter().map(|right| right.described()).collect();
        named.join(" and to ")
    };
    match need {
        Need::Nothing => "Open to everybody.".to_owned(),
        Need::Token => "Needs a valid token.".to_owned(),
        Need::Write => "Is done with the caller's own rights.".to_owned(),
        Need::Rights(rights) | Need::WriteAfter(rights) => format!("Needs the right to {}.", all(rights)),
        Need::Change(verb) => {
            let right = Right::to_test(verb).described();
            format!("Is done with the caller's own right to {right}.")
        }
        Need::OfFramework(rights, backups) => {
            let (rights, backups) = (all(rights), backups.described());
            format!(
                "Needs the right to {rights}; for iso27001 without a namespace also the right to {backups}."
            )
        }
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let name = route.path.contains("{name}").then(|| {
        json!({ "name": "name", "in": "path", "required": true, "description": "The name of the object",
                "schema": { "type": "string" } })
    });
    let query = |of: &Parameter| {
        json!({ "name": of.name, "in": "query", "required": false, "description": of.meaning,
                "schema": of.takes.schema() })
    };
    let narrows: &[Parameter] = if route.need.narrows() {
        &[NAMESPACE, CLUSTER]
    } else {
        &[]
    };
    let queries = narrows.iter().chain(route.parameters).map(query);
    name.into_iter().chain(queries).collect()
}

fn responses(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let (code, shape) = route.success;
    let mut success = json!({ "description": "Done" });
    if route.need.narrows() {
        success["headers"] =
            json!({ NOTICE_NAME: { "$ref": format!("#/components/headers/{NOTICE_NAME}") } });
    }
    match shape {
        Shape::Json(schema) => {
            success["content"] = json!({ "application/json": { "schema": schema(schemas) } });
        }
        Shape::Other(content) => {
            success["content"] = json!({ content: { "schema": { "type": "string" } } });
        }
        Shape::Empty => {}
    }
    let mut responses = json!({ code.to_string(): success });
    let said = json!(schemas.subschema_for::<Said>());
    let closed = json!(schemas.subschema_for::<Closed>());
    let common: &[u16] = match route.need {
        Need::Nothing => &[421, 429],
        Need::Token => &[401, 421, 429, 503],
        _ => &[400, 401, 403, 404, 421, 429, 503],
    };
    for code in common.iter().chain(route.mistakes) {
        let schema = match (code, route.feature) {
            (403, Some(_)) => json!({ "anyOf": [said, closed] }),
            _ => said.clone(),
        };
        responses[code.to_string()] = json!({
            "description": meaning(*code, route),
            "content": { "application/json": { "schema": schema } },
        });
    }
    responses
}

fn meaning(code: u16, route: &Route) -> &'static str {
    match code {
        400 => "A parameter or field is wrong; it is named",
        401 => "No token, or one that is not valid",
        403 if route.feature.is_some() => "This account may not, or the tier does not have it",
        403 => "This account may not",
        404 if route.path.starts_with("/api/v1/reports/") => {
            "There is no such report or cluster, or the tier does not look back that far, which is said"
        }
        404 if route.mistakes.contains(&404) => "There is no such object, or no such cluster",
        404 => "There is no such cluster",
        408 => "The body did not come in time",
        409 => "It exists already, a run goes on, or several clusters or namespaces have the name",
        413 => "The body is too large",
        422 => "Admission refuses it, in its words, or it is of another cluster, which is only read",
        421 => "It is asked for under a name that is not of this installation, and nobody is known here",
        429 => "Too many requests",
        _ => "Try again later",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let document = document();
        let mut documented = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let all: BTreeSet<String> = routes()
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(documented, all);
        assert_eq!(routes().len(), all.len(), "a route is there twice");
        let ids: BTreeSet<String> = routes().iter().map(id).collect();
        assert_eq!(ids.len(), all.len(), "{ids:?}");
    }

    #[test]
    fn answers_require_what_is_always_there_and_bodies_what_must_be_sent() {
        let document = document();
        let required = |shape: &str| document["components"]["schemas"][shape]["required"].clone();
        assert_eq!(required("Said"), json!(["error"]));
        assert_eq!(required("ReceiverInput"), json!(["type"]));
        let closed = &document["paths"]["/api/v1/tests.csv"]["get"]["responses"]["403"];
        assert!(closed.to_string().contains("schemas/Closed"), "{closed}");
    }

    #[test]
    fn a_parameter_says_what_it_takes_and_a_list_what_it_may_lack() {
        let document = document();
        let route = |path: &str| document["paths"][path]["get"].clone();
        let takes = |path: &str, name: &str| {
            let parameters = route(path)["parameters"].as_array().unwrap().clone();
            let mut named = parameters
                .into_iter()
                .filter(|parameter| parameter["name"] == name);
            named.next().unwrap()["schema"].clone()
        };
        for (path, name, schema) in [
            (
                "/api/v1/summary/daily",
                "days",
                json!({ "type": "integer", "minimum": 1, "maximum": 365 }),
            ),
            ("/api/v1/reports", "latest", json!({ "type": "boolean" })),
            ("/api/v1/reports", "test", json!({ "type": "string" })),
            (
                "/api/v1/compliance",
                "framework",
                json!({ "type": "string", "enum": ["soc2", "iso27001", "dora"] }),
            ),
        ] {
            assert_eq!(takes(path, name), schema, "{path} {name}");
        }
        assert_eq!(
            takes("/api/v1/tests.csv", "status")["enum"]
                .as_array()
                .unwrap()
                .len(),
            7
        );
        let lacks = |path: &str| route(path)["responses"]["200"]["headers"][NOTICE_NAME].is_object();
        assert!(lacks("/api/v1/reports") && !lacks("/api/v1/health"));
        assert!(NOTICE_NAME.eq_ignore_ascii_case(crate::api::read::NOTICE.as_str()));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references = text
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 20);
    }
}
