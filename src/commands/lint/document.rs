//! YAML, and JSON as part of it, with the place of every field.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::report::Place;

/// Longest message of the parser, characters.
const MAX_MESSAGE: usize = 200;

/// A value whose parts know their places.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// What has no parts.
    Scalar(Value),
    /// Items with their places.
    List(Vec<(Place, Node)>),
    /// Fields with the places of their names.
    Fields(Vec<(Place, String, Node)>),
}

/// Why a text could not be read.
#[derive(Debug)]
pub(super) struct Broken {
    /// Where, if that is known.
    pub place: Option<Place>,
    /// What is wrong there.
    pub message: String,
}

/// Reads all documents of a text, each with its place.
///
/// # Errors
/// [`Broken`], for all of them together.
pub(super) fn parse(text: &str) -> Result<Vec<(Place, Node)>, Broken> {
    // A chart renders more than the library's careful defaults, but few aliases.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 20_000,
            max_nodes: 1_000_000,
            max_events: 4_000_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
        },
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Node>>(text, options);
    let documents = documents.map_err(|error| {
        let place = error.location().map(|location| place(&location));
        let text = error.without_snippet().to_string();
        // The place is told beside it.
        let text = text.split(" at line ").next().unwrap_or_default();
        let message = text.chars().take(MAX_MESSAGE).collect();
        Broken { place, message }
    })?;
    let placed = documents.into_iter().map(|d| (place(&d.referenced), d.value));
    Ok(placed.collect())
}

fn place(location: &Location) -> Place {
    Place {
        line: u32::try_from(location.line()).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(location.column()).unwrap_or(u32::MAX).max(1),
    }
}

impl Node {
    /// The value without places.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|(_, item)| item.value()).collect(),
            Self::Fields(fields) => {
                let values = fields
                    .iter()
                    .map(|(_, name, value)| (name.clone(), value.value()));
                Value::Object(values.collect::<Map<_, _>>())
            }
        }
    }

    /// A field by name.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Fields(fields) = self else { return None };
        fields
            .iter()
            .find(|(_, n, _)| n == name)
            .map(|(_, _, value)| value)
    }

    /// The text of a field; empty when it has none.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(Self::Scalar(Value::String(text))) => text,
            _ => "",
        }
    }

    /// Where a path such as `spec.checks[0].name` or `labels[app]` leads to; the nearest field above when there is no
    /// such field. `own` is the place of this node.
    pub(super) fn place_of(&self, path: &str, own: Place) -> Place {
        match self {
            Self::Fields(fields) => {
                let steps = fields.iter().filter_map(|(place, name, node)| {
                    Some((name.len(), *place, node, after_field(path, name)?))
                });
                // Names may have dots in them.
                let longest = steps.max_by_key(|(length, ..)| *length);
                longest.map_or(own, |(_, place, node, rest)| node.place_of(rest, place))
            }
            Self::List(items) => {
                let step = after_index(path).and_then(|(index, rest)| Some((items.get(index)?, rest)));
                step.map_or(own, |((place, node), rest)| node.place_of(rest, *place))
            }
            Self::Scalar(_) => own,
        }
    }
}

/// What is left of a path after a field: `name`, `.name` or `[name]`.
fn after_field<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    if let Some(inside) = path.strip_prefix('[') {
        return inside.strip_prefix(name)?.strip_prefix(']');
    }
    let rest = path.strip_prefix('.').unwrap_or(path).strip_prefix(name)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

/// What is left of a path after `[0]`.
fn after_index(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Node>>()? {
            list.push((place(&item.referenced), item.value));
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            fields.push((place(&name.referenced), name.value, value));
        }
        Ok(Node::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Place, Node) {
        parse(text).unwrap().remove(0)
    }

    #[test]
    fn every_path_leads_to_its_line() {
        let text = "a:\n  b:\n    - x: 1\n    - x: 2\n      y: 3\n  app.io/n: v\n  app: w\nlong: |\n  text\n";
        let (own, node) = one(text);
        for (path, line, column) in [
            ("", 1, 1),
            ("a", 1, 1),
            ("a.b", 2, 3),
            ("a.b[0]", 3, 7),
            ("a.b[1].y", 5, 7),
            ("a[app.io/n]", 6, 3),
            ("a.app.io/n", 6, 3),
            ("a.app", 7, 3),
            ("long", 8, 1),
            // What is not there is told of at what it belongs to.
            ("a.b[1].z", 4, 7),
            ("a.b[9]", 2, 3),
            ("a.bb", 1, 1),
            ("nothing", 1, 1),
        ] {
            assert_eq!(node.place_of(path, own), Place { line, column }, "{path}");
        }
    }

    #[test]
    fn documents_aliases_and_json_keep_their_places() {
        let documents = parse("a: 1\n---\n# nothing\n---\nb: &x {c: 1}\nd: *x\n").unwrap();
        let (own, node) = documents.last().unwrap();
        assert_eq!(node.place_of("b.c", *own).line, 5);
        assert_eq!(node.place_of("d.c", *own).line, 6);
        let (own, node) = one("{\n\t\"a\": {\n\t\t\"b\": [1,\n\t\t\t2]\n\t}\n}\n");
        assert_eq!(node.place_of("a.b[1]", own).line, 4);
        assert_eq!(node.value(), serde_json::json!({ "a": { "b": [1, 2] } }));
    }

    #[test]
    fn what_is_no_yaml_has_a_place_too() {
        for (text, line) in [
            ("a: 1\nb: [\n", 2),
            ("a: 1\na: 2\n", 2),
            ("a: {{ .Values.x }}\n", 1),
            ("a: 'x\n", 1),
        ] {
            let broken = parse(text).unwrap_err();
            assert_eq!(
                broken.place.map(|p| p.line),
                Some(line),
                "{text:?}: {}",
                broken.message
            );
        }
        let deep = "[".repeat(100_000);
        parse(&deep).unwrap_err();
        let levels = ('b'..='j').map(|c| {
            let before = char::from_u32(u32::from(c) - 1).unwrap();
            format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 9].join(", "))
        });
        let bomb = format!("a: &a [{}]\n{}", ["x"; 9].join(", "), levels.collect::<String>());
        parse(&bomb).unwrap_err();
    }
}
