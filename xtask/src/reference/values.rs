//! The values of the chart: what `values.yaml` says of each, and what its schema allows.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    crds::{limits, type_of},
    head,
    table::{code, sentences, table},
};
use crate::operator::root;

/// Objects that are handed on as they are: what is in them is a matter of Kubernetes.
const HANDED_ON: [&str; 3] = ["resources", "podSecurityContext", "securityContext"];

pub(super) fn page() -> Result<String> {
    let read = |file: &str| {
        let path = root().join("charts/kymaros").join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let about = "Every value of the chart `kymaros`. A value that is not here is refused, with its name.";
    let (text, schema) = (
        read("values.yaml")?,
        serde_json::from_str(&read("values.schema.json")?)?,
    );
    let values: Value = serde_saphyr::from_str(&text)?;
    let rows = rows(&lines(&text), &values, &schema);
    Ok(head("Values", about) + &table(["value", "type", "default", "meaning"], &rows))
}

/// A key of the file with the comment above it.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    path: String,
    comment: String,
}

/// The keys of the file. What comes below a value that is handed on, and entries of lists, are part of that value.
fn lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut comment = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(words) = trimmed.strip_prefix('#') {
            comment.push(words.trim_start().trim_start_matches("-- ").trim().to_owned());
            continue;
        }
        let Some((key, _)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('-')) else {
            comment.clear();
            continue;
        };
        above.retain(|(before, _)| *before < indent);
        above.push((indent, key.to_owned()));
        let path = above
            .iter()
            .map(|(_, key)| key.as_str())
            .collect::<Vec<_>>()
            .join(".");
        let is_inside = HANDED_ON
            .iter()
            .any(|handed| path.starts_with(&format!("{handed}.")));
        if !is_inside {
            lines.push(Line {
                path,
                comment: comment.join(" "),
            });
        }
        comment.clear();
    }
    lines
}

fn rows(lines: &[Line], values: &Value, schema: &Value) -> Vec<[String; 4]> {
    let known = lines.iter().filter_map(|line| {
        let value = values.pointer(&format!("/{}", line.path.replace('.', "/")))?;
        Some((line, value))
    });
    known
        .filter_map(|(line, value)| {
            let is_section = value.as_object().is_some_and(|object| !object.is_empty())
                && !HANDED_ON.contains(&line.path.as_str());
            let about = sentences(std::slice::from_ref(&line.comment));
            if is_section {
                // The introduction of a file is none of a section.
                let says = !line.comment.is_empty();
                return says.then(|| [code(&line.path), String::new(), String::new(), about]);
            }
            let root = schema;
            let schema = schema_of(root, &line.path);
            let limits = Some(limits(schema)).filter(|limits| !limits.is_empty());
            let type_ =
                type_of_value(root, schema) + &limits.map(|limits| format!("; {limits}")).unwrap_or_default();
            Some([code(&line.path), type_, code(&value.to_string()), about])
        })
        .collect()
}

fn type_of_value(root: &Value, schema: &Value) -> String {
    if schema["enum"].is_array() {
        return "string".to_owned();
    }
    match schema["oneOf"].as_array() {
        Some(all) => all
            .iter()
            .map(|one| type_of(resolved(root, one)))
            .collect::<Vec<_>>()
            .join(" or "),
        None => type_of(schema),
    }
}

fn schema_of<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(schema, |at, key| match &at["properties"][key] {
            Value::Null => &at["additionalProperties"],
            known => resolved(schema, known),
        })
}

fn resolved<'a>(root: &'a Value, found: &'a Value) -> &'a Value {
    let name = found["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix("#/definitions/"));
    name.map_or(found, |name| &root["definitions"][name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_comment_above_it() {
        let text = "# Of a.\na:\n  # -- Of b,\n  # and more.\n  b: 1\n  c: [x]\nresources:\n  limits: {}\n";
        let line = |path: &str, comment: &str| Line {
            path: path.to_owned(),
            comment: comment.to_owned(),
        };
        let wanted = [
            line("a", "Of a."),
            line("a.b", "Of b, and more."),
            line("a.c", ""),
            line("resources", ""),
        ];
        assert_eq!(lines(text), wanted);
    }

    #[test]
    fn every_value_is_there_and_says_what_it_means() {
        fn paths(value: &Value, before: &str, found: &mut Vec<String>) {
            for (key, below) in value.as_object().into_iter().flatten() {
                let path = format!("{before}{key}");
                let is_section = below.as_object().is_some_and(|object| !object.is_empty());
                if is_section && !HANDED_ON.contains(&path.as_str()) {
                    paths(below, &format!("{path}."), found);
                } else {
                    found.push(path);
                }
            }
        }
        let text = fs::read_to_string(root().join("charts/kymaros/values.yaml")).unwrap();
        let mut all = Vec::new();
        paths(&serde_saphyr::from_str(&text).unwrap(), "", &mut all);
        assert!(all.len() > 70);
        let page = page().unwrap();
        for path in all {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{path}` |")));
            let row = row.unwrap_or_else(|| panic!("no {path}"));
            let meaning = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            assert!(
                !meaning.trim().is_empty(),
                "values.yaml does not say what {path} means"
            );
        }
        assert!(page.contains("| `sandbox.networkIsolation` | string; `strict`, `group` | `\"strict\"` |"));
    }
}
