//! The question before a run that somebody asks for: what it would do.

use askama::Template;
use kymaros_crds::{RestoreTest, RestoreTestSpec};
use kymaros_webhooks::validate::{Usage, used};

use super::plural;
use crate::dashboard::{addresses, shell::Shell};

/// The page.
#[derive(Template)]
#[template(path = "trigger.html")]
pub struct TriggerPage {
    /// Around it.
    pub shell: Shell,
    name: String,
    namespace: String,
    back: String,
    action: String,
    what: String,
    sandboxes: String,
    refused: Option<String>,
}

impl TriggerPage {
    /// The page of a test, with why it was not run when somebody has tried already.
    #[must_use]
    pub fn new(
        test: &RestoreTest,
        (namespace, name): (&str, &str),
        refused: Option<String>,
        shell: Shell,
    ) -> Self {
        let namespaces: Vec<&str> = used(&test.spec, Usage::Source).collect();
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            back: addresses::test(None, namespace, name),
            action: addresses::trigger(namespace, name),
            what: namespaces.join(", "),
            sandboxes: format!(
                "{}{}",
                plural(namespaces.len(), "sandbox", "sandboxes"),
                until(&test.spec, namespaces.len())
            ),
            refused,
            shell,
        }
    }
}

/// How long they live, when the test says so.
fn until(spec: &RestoreTestSpec, count: usize) -> String {
    let ttl = spec.sandbox.as_ref().and_then(|sandbox| sandbox.ttl.as_deref());
    let live = if count == 1 { "lives" } else { "live" };
    ttl.map(|ttl| format!(" that {live} for {} at most", super::moments::stored_span(ttl)))
        .unwrap_or_default()
}
