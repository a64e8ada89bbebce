//! Which documents are ours.

use kymaros_crds::names::GROUP;
use kymaros_webhooks::validate::{Kind, TestName};
use serde_json::Value;

use super::{document::Node, report::Place};

/// The one version that is served.
const API_VERSION: &str = "restore.kymaros.io/v1alpha1";
/// Written by the operator only.
const REPORT: &str = "RestoreReport";

/// An object that is to be judged.
pub(super) struct Object {
    /// Where it begins.
    pub own: Place,
    /// With places.
    pub node: Node,
    /// Without.
    pub value: Value,
    /// What it is, or what is wrong with what it says to be.
    pub kind: Result<Kind, WrongKind>,
}

/// An object of our group that is nothing of ours.
pub(super) struct WrongKind {
    /// Its field.
    pub path: &'static str,
    /// What stands there.
    pub value: String,
    /// What to write instead.
    pub message: String,
}

/// What a document holds.
#[derive(Default)]
pub(super) struct Sorted {
    /// Objects of ours.
    pub objects: Vec<Object>,
    /// How many there are of others.
    pub others: usize,
}

impl Sorted {
    /// Sorts a document; lists are taken apart.
    pub(super) fn take(&mut self, own: Place, node: Node) {
        let node = match items(node) {
            Ok(items) => {
                for (place, item) in items {
                    self.take(place, item);
                }
                return;
            }
            Err(node) => node,
        };
        match (kind(&node), &node) {
            (Some(kind), _) => self.objects.push(Object {
                own,
                value: node.value(),
                kind,
                node,
            }),
            // An empty document.
            (None, Node::Scalar(Value::Null)) => {}
            (None, _) => self.others += 1,
        }
    }
}

/// The items of a `List` of whatever kind, or the node as it was.
fn items(node: Node) -> Result<Vec<(Place, Node)>, Node> {
    let is_list = node.text("kind").ends_with("List") && matches!(node.field("items"), Some(Node::List(_)));
    match node {
        Node::Fields(fields) if is_list => {
            let items = fields.into_iter().find_map(|(_, name, value)| match value {
                Node::List(items) if name == "items" => Some(items),
                _ => None,
            });
            Ok(items.unwrap_or_default())
        }
        node => Err(node),
    }
}

/// What kind of ours an object is or wants to be; `None`: another's. `HealthCheckPolicy` alone is not enough, because
/// others have kinds of that name.
fn kind(node: &Node) -> Option<Result<Kind, WrongKind>> {
    let (version, kind) = (node.text("apiVersion"), node.text("kind"));
    let (group, _) = version.split_once('/').unwrap_or((version, ""));
    let known = match kind {
        "RestoreTest" => Some(Kind::RestoreTest),
        "HealthCheckPolicy" => Some(Kind::HealthCheckPolicy),
        _ => None,
    };
    let is_group = group == GROUP;
    let is_meant = known.is_some() && (version.contains("kymaros") || version.is_empty());
    if !is_group && !is_meant || kind == REPORT {
        return None;
    }
    Some(match known {
        Some(kind) if version == API_VERSION => Ok(kind),
        Some(_) => Err(WrongKind {
            path: "apiVersion",
            value: version.to_owned(),
            message: format!("is not served; write {API_VERSION}"),
        }),
        None => Err(WrongKind {
            path: "kind",
            value: kind.to_owned(),
            message: "is no kind of this group; write RestoreTest or HealthCheckPolicy".to_owned(),
        }),
    })
}

impl Object {
    /// Namespace and name, as far as they are written.
    pub(super) fn name(&self) -> TestName {
        let text = |field: &str| {
            self.value["metadata"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        TestName {
            namespace: text("namespace"),
            name: text("name"),
        }
    }

    /// The kind as it is written.
    pub(super) fn kind_text(&self) -> &str {
        self.node.text("kind")
    }
}
