//! Namespaces: made, let go and deleted as sandboxes.

use super::*;

#[test]
fn a_namespace_is_made_as_a_sandbox_of_a_live_run_and_deleted_as_one() {
    let made = |name: &str, labels: Value| {
        let object = json!({ "metadata": { "name": name, "labels": labels } });
        ask("CREATE", "namespaces")
            .named(name)
            .within(name)
            .object(object)
    };
    passes(made("rp-live", marks("live")));
    refused(made("rp-live", json!({})), "marks");
    refused(made("production", marks("live")), "name of a sandbox");
    refused(made("rp-ending", marks("ending")), "ended");
    refused(made("rp-new", marks("not-known-yet")), "no report");
    let going = |labels: Value| {
        ask("DELETE", "namespaces")
            .named("x")
            .within("x")
            .old(json!({ "metadata": { "labels": labels } }))
    };
    passes(going(marks("gone")));
    refused(going(json!({})), "marks");
    let changed = ask("UPDATE", "namespaces").named(LIVE).within(LIVE);
    refused(changed, "never changed");
    refused(ask("CONNECT", "namespaces").named(LIVE), "connect");
    refused(ask("UPDATE", "namespaces/finalize").named(LIVE), "whole cluster");
}

#[test]
fn of_a_sandbox_that_is_going_finalizers_are_taken_and_no_other_namespace_is_changed() {
    let namespace = |name: &str, labels: Value, finalizers: Value| {
        json!({ "metadata": { "name": name, "labels": labels, "finalizers": finalizers,
            "deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": finalizers.to_string() },
            "spec": { "finalizers": ["kubernetes"] } })
    };
    let change = |old: &Value, new: Value| {
        let name = old["metadata"]["name"].as_str().unwrap_or_default();
        let asked = ask("UPDATE", "namespaces").named(name).within(name);
        asked.old(old.clone()).object(new)
    };
    let why = "never changed";
    for (name, uid) in [(LIVE, "live"), (ENDING, "ending"), (ORPHAN, "gone")] {
        let held = namespace(
            name,
            marks(uid),
            json!(["example.com/cloud", "foregroundDeletion"]),
        );
        let freed = namespace(name, marks(uid), json!(["foregroundDeletion"]));
        passes(change(&held, freed.clone()));
        refused(change(&freed, held.clone()), why);
        // Nothing else comes along.
        for (place, value) in [
            ("/metadata/labels", json!({ "kymaros.io/run-uid": "other" })),
            ("/metadata/labels", json!({})),
            ("/spec/finalizers", json!([])),
        ] {
            let mut more = freed.clone();
            *more.pointer_mut(place).unwrap() = value;
            refused(change(&held, more), why);
        }
        let stays = |mut namespace: Value| {
            namespace["metadata"]["deletionTimestamp"] = Value::Null;
            namespace
        };
        refused(change(&stays(held), stays(freed)), why);
    }
    // Labels that are written with the same change make no sandbox of it.
    for labels in [
        json!({}),
        json!({ "kymaros.io/run-uid": "live" }),
        json!({ "kymaros.io/managed-by": "kymaros" }),
    ] {
        let held = namespace("production", labels.clone(), json!(["example.com/cloud"]));
        refused(change(&held, namespace("production", labels, json!([]))), why);
        refused(
            change(&held, namespace("production", marks("live"), json!([]))),
            why,
        );
    }
}
