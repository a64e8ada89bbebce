//! A test among what is around it: namespaces, other tests, the license.

use kymaros_crds::{
    RestoreTestSpec,
    domain::{NamespaceName, Source, Tier},
    names::{self, LICENSE_SECRET},
};
use serde_json::Value;

use super::{Known, NamespaceState, OtherTest, TestName, Unchecked, Usage, Verdict};

/// Checks everything that the test alone does not show.
pub(super) fn check(
    spec: &RestoreTestSpec,
    me: &TestName,
    old: Option<&Value>,
    known: &dyn Known,
    verdict: &mut Verdict,
) {
    for (path, source) in Source::specs(spec) {
        for (index, namespace) in source.namespaces.iter().enumerate() {
            let path = format!("{path}.namespaces[{index}]");
            if let Some(name) = valid(&namespace.name)
                && let Some(message) = wrong_source(name, me, known, verdict)
            {
                verdict.refuse(format!("{path}.name"), name, message);
            }
            if let Some(name) = namespace.sandbox_name.as_deref().and_then(valid)
                && let Some(message) = wrong_sandbox(name, me, known, verdict)
            {
                verdict.refuse(format!("{path}.sandboxName"), name, message);
            }
        }
    }
    license(spec, old, known, verdict);
}

/// A name that the domain types take; others are refused there.
fn valid(name: &str) -> Option<&str> {
    let name = name.trim();
    let parsed: NamespaceName = name.parse().ok()?;
    (!parsed.is_system()).then_some(name)
}

/// Whose own namespace it is.
fn home(name: &str, known: &dyn Known, verdict: &mut Verdict) -> Option<&'static str> {
    let home = verdict.ask(Unchecked::Home, known.home())?;
    if name == home.operator {
        Some("Kymaros itself")
    } else if name == home.velero {
        Some("Velero")
    } else {
        None
    }
}

fn wrong_source(name: &str, me: &TestName, known: &dyn Known, verdict: &mut Verdict) -> Option<String> {
    if let Some(who) = home(name, known, verdict) {
        return Some(format!(
            "is where {who} runs and is never copied; name a namespace of an application"
        ));
    }
    let state = verdict.ask(Unchecked::Namespaces, known.namespace(name));
    if let Some(NamespaceState::SandboxOf(test)) = state {
        return Some(format!(
            "is a sandbox of the test {test}, not an application; name the namespace it was made from"
        ));
    }
    let other = known.other_test(Usage::Sandbox, name, me);
    match verdict.ask(Unchecked::OtherTests, other)? {
        OtherTest::Uses(test) => Some(format!(
            "is a sandboxName of the test {test}, and production is never a sandbox; rename one of the two"
        )),
        OtherTest::None => None,
    }
}

fn wrong_sandbox(name: &str, me: &TestName, known: &dyn Known, verdict: &mut Verdict) -> Option<String> {
    if let Some(who) = home(name, known, verdict) {
        return Some(format!("is where {who} runs; choose another name"));
    }
    if name == me.namespace {
        return Some("is the namespace of this very test; choose another name".to_owned());
    }
    match verdict.ask(Unchecked::Namespaces, known.namespace(name)) {
        Some(NamespaceState::Foreign) => {
            return Some(
                "exists and is no sandbox, and nothing is ever restored into it; choose a name that is free"
                    .to_owned(),
            );
        }
        // Sandboxes name their test in a label, where a long name is cut.
        Some(NamespaceState::SandboxOf(test))
            if test.namespace != me.namespace || test.name != names::label_value(&me.name) =>
        {
            return Some(format!("is a sandbox of the test {test}; choose another name"));
        }
        _ => {}
    }
    for (usage, what) in [
        (Usage::Sandbox, "is a sandboxName of the test"),
        (Usage::Source, "is production: it is restored by the test"),
    ] {
        let other = known.other_test(usage, name, me);
        if let Some(OtherTest::Uses(test)) = verdict.ask(Unchecked::OtherTests, other) {
            return Some(format!("{what} {test}; choose another name"));
        }
    }
    None
}

/// Only new use needs a license: when one has expired, tests go on and can be changed and removed.
fn license(spec: &RestoreTestSpec, old: Option<&Value>, known: &dyn Known, verdict: &mut Verdict) {
    let wanted = spec.additional_sources.len();
    let had = old
        .and_then(|old| old["spec"]["additionalSources"].as_array())
        .map_or(0, Vec::len);
    if wanted <= had {
        return;
    }
    let Some(license) = verdict.ask(Unchecked::License, known.license()) else {
        return;
    };
    let needed = Tier::ADDITIONAL_SOURCES;
    if license.tier < needed {
        let why = license.why.map(|why| format!(" ({why})")).unwrap_or_default();
        let message = format!(
            "needs the {needed} tier, and this cluster has {}{why}; write a test for each backup source instead, or put \
             a license into its Secret ({LICENSE_SECRET}, unless the chart's value license.existingSecret names another)",
            license.tier
        );
        let sources = if wanted == 1 { "source" } else { "sources" };
        verdict.refuse("spec.additionalSources", format!("{wanted} {sources}"), message);
    }
}
