//! The marks of a sandbox are what every fence hangs on: nobody but the operator puts them on a namespace, and nobody takes
//! them off one.

use kube::core::DynamicObject;
use kymaros_crds::names;

use crate::{
    answer::{Answer, Denial},
    facts::Facts,
    request::{Request, label, username},
    rule::Rule,
};

/// The labels that make a namespace a sandbox.
const MARKS: [&str; 2] = [names::MANAGED_BY_LABEL, names::RUN_UID_LABEL];

/// Answers for the creation or change of a Namespace.
#[must_use]
pub fn fence(request: &Request, facts: &dyn Facts) -> Answer {
    let (new, old) = (request.object.as_ref(), request.old_object.as_ref());
    let by_operator = username(request) == facts.operator().username;
    let is_creation = old.is_none();
    // The operator makes a sandbox with its marks; not even the operator makes a sandbox of what was there before.
    if keeps_marks(new, old) || (by_operator && is_creation) {
        return Answer::allow();
    }
    Answer::Deny(Denial::forbidden(
        Rule::Marks,
        format!(
            "namespace {:?}: the labels {} mark a sandbox of a run; Kymaros alone sets them, and they stay",
            crate::request::name(request),
            MARKS.join(" and ")
        ),
        "leave them as they are, and choose another label for namespaces of your own; a sandbox may be deleted",
    ))
}

/// Whether no mark appears or changes, nor goes before its namespace does.
fn keeps_marks(new: Option<&DynamicObject>, old: Option<&DynamicObject>) -> bool {
    let is_going = new.is_some_and(|o| o.metadata.deletion_timestamp.is_some());
    MARKS.into_iter().all(|mark| {
        let (now, before) = (label(new, mark), label(old, mark));
        now == before || now.is_none() && is_going
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sample::{Asked, OPERATOR, World, marks};

    fn asked(user: &str, old: Option<Value>, new: Value) -> bool {
        let namespace = |labels: Value| json!({ "metadata": { "name": "n", "labels": labels } });
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        let mut asked = Asked::new(user, operation, "namespaces").object(namespace(new));
        if let Some(old) = old {
            asked = asked.old(namespace(old));
        }
        fence(&asked.request(), &World::new()).is_allowed()
    }

    #[test]
    fn the_marks_are_set_by_the_operator_and_only_on_new_namespaces() {
        assert!(asked(OPERATOR, None, marks("live")));
        assert!(!asked("admin", None, marks("live")));
        assert!(!asked("admin", Some(json!({})), marks("live")));
        assert!(!asked(OPERATOR, Some(json!({})), marks("live")));
        assert!(!asked(OPERATOR, Some(marks("one")), marks("another")));
    }

    #[test]
    fn the_marks_stay_as_long_as_the_sandbox() {
        assert!(!asked("admin", Some(marks("live")), json!({})));
        assert!(!asked(OPERATOR, Some(marks("live")), json!({})));
        let half = json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY });
        assert!(!asked("admin", Some(marks("live")), half));
    }

    #[test]
    fn who_frees_a_namespace_that_is_going_need_not_repeat_its_marks() {
        let going = |labels: Value, old: Value| {
            let namespace = |labels: Value| {
                json!({ "metadata": { "name": "n", "labels": labels,
                    "deletionTimestamp": "2026-01-01T00:00:00Z" } })
            };
            let asked = Asked::new("admin", "UPDATE", "namespaces").object(namespace(labels));
            fence(&asked.old(namespace(old)).request(), &World::new()).is_allowed()
        };
        assert!(going(json!({}), marks("live")));
        assert!(!going(marks("live"), json!({})));
    }

    #[test]
    fn everything_else_about_namespaces_is_free() {
        assert!(asked("admin", None, json!({ "team": "shop" })));
        assert!(asked("admin", Some(marks("live")), marks("live")));
    }
}
