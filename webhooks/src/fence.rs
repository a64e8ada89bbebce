//! The marks of a sandbox are what every fence hangs on: nobody but the operator puts them on a namespace.

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
            "namespace {:?}: the labels {} mark a sandbox of a run and are set by Kymaros alone",
            crate::request::name(request),
            MARKS.join(" and ")
        ),
        "leave them out, and choose another label for namespaces of your own",
    ))
}

/// Whether no mark appears or changes.
fn keeps_marks(new: Option<&DynamicObject>, old: Option<&DynamicObject>) -> bool {
    MARKS
        .into_iter()
        .all(|mark| label(new, mark).is_none() || label(new, mark) == label(old, mark))
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
    fn everything_else_about_namespaces_is_free() {
        assert!(asked("admin", None, json!({ "team": "shop" })));
        assert!(asked("admin", Some(marks("live")), marks("live")));
        assert!(asked("admin", Some(marks("live")), json!({})));
    }
}
