//! Each rule once where it lets pass and once where it must not.

mod namespaces;
mod restores;

use serde_json::{Value, json};

use super::guard;
use crate::{
    answer::Answer,
    sample::{Asked, ENDING, LIVE, ORPHAN, VELERO, World, marks},
};

fn passes(asked: Asked) {
    let request = asked.request();
    let answer = guard(&request, &World::new());
    assert!(answer.is_allowed(), "{answer:?}");
}

/// Refused, with this in the words.
fn refused(asked: Asked, why: &str) {
    let request = asked.request();
    match guard(&request, &World::new()) {
        Answer::Deny(denial) | Answer::DenyUnlessKnownSoon(denial) => {
            assert!(denial.message().contains(why), "{}", denial.message());
        }
        other => panic!("{other:?}"),
    }
}

fn ask(operation: &str, resource: &str) -> Asked {
    Asked::by_operator(operation, resource)
}

#[test]
fn others_are_not_looked_at() {
    passes(Asked::new(VELERO, "DELETE", "namespaces").named("production"));
}

#[test]
fn in_a_sandbox_of_a_live_run_everything_goes() {
    for (operation, resource) in [
        ("CREATE", "networkpolicies.networking.k8s.io"),
        ("UPDATE", "deployments.apps/scale"),
        ("DELETE", "pods"),
        ("CONNECT", "pods/exec"),
    ] {
        passes(ask(operation, resource).within(LIVE));
    }
}

#[test]
fn outside_of_sandboxes_nothing_does() {
    for operation in ["CREATE", "UPDATE", "DELETE", "CONNECT"] {
        for resource in [
            "pods",
            "secrets",
            "deployments.apps",
            "pods/exec",
            "rolebindings.rbac.authorization.k8s.io",
        ] {
            refused(ask(operation, resource).within("production"), "not a sandbox");
            refused(ask(operation, resource).within("kube-system"), "not a sandbox");
        }
        for resource in [
            "clusterroles.rbac.authorization.k8s.io",
            "nodes",
            "storageclasses.storage.k8s.io",
        ] {
            refused(ask(operation, resource).named("x"), "whole cluster");
        }
    }
}

#[test]
fn after_the_run_things_are_only_taken_away() {
    for namespace in [ENDING, ORPHAN] {
        passes(ask("DELETE", "pods").within(namespace));
        let held = |finalizers: Value| {
            json!({ "metadata": { "name": "x", "resourceVersion": finalizers.to_string(), "finalizers": finalizers },
                    "spec": { "a": 1 } })
        };
        let drops = ask("UPDATE", "widgets.example.com").within(namespace);
        passes(drops.old(held(json!(["a/b", "c"]))).object(held(json!(["c"]))));
        let adds = ask("UPDATE", "widgets.example.com").within(namespace);
        refused(
            adds.old(held(json!(["c"]))).object(held(json!(["c", "d"]))),
            "run",
        );
        let mut changed = held(json!([]));
        changed["spec"]["a"] = json!(2);
        let edits = ask("UPDATE", "widgets.example.com").within(namespace);
        refused(edits.old(held(json!(["c"]))).object(changed), "run");
        // What changes nothing there may change something in a Pod.
        let below = ask("UPDATE", "pods/ephemeralcontainers").within(namespace);
        refused(below.old(held(json!([]))).object(held(json!([]))), "run");
        refused(ask("CREATE", "pods").within(namespace), "run");
        refused(ask("CONNECT", "pods/exec").within(namespace), "run");
    }
}

/// What is said to be done about a refusal.
fn remedy(asked: Asked) -> String {
    match guard(&asked.request(), &World::new()) {
        Answer::Deny(denial) | Answer::DenyUnlessKnownSoon(denial) => {
            let (_, remedy) = denial.message().split_once("; ").unwrap();
            format!("{}: {remedy}", denial.rule().as_str())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_under_way_when_a_run_was_deleted_is_no_defect() {
    let sandbox = |name: &str, uid: &str| {
        let object = json!({ "metadata": { "name": name, "labels": marks(uid) } });
        ask("CREATE", "namespaces").named(name).object(object)
    };
    let binding = |namespace: &str| {
        ask("UPDATE", "rolebindings.rbac.authorization.k8s.io")
            .within(namespace)
            .named("kymaros")
    };
    for late in [sandbox(ENDING, "ending"), binding(ENDING)] {
        let remedy = remedy(late);
        assert!(remedy.starts_with("RunOver: "), "{remedy}");
        assert!(remedy.ends_with("nothing is to be done"), "{remedy}");
    }
    // Whoever is not known may be gone, and may never have been.
    for gone in [sandbox("rp-gone", "gone"), binding(ORPHAN)] {
        let remedy = remedy(gone);
        assert!(remedy.contains("if somebody deleted that just now"), "{remedy}");
    }
    for defect in [sandbox("production", "ending"), binding("production")] {
        let remedy = remedy(defect);
        assert!(remedy.contains(": report this as a defect"), "{remedy}");
    }
}

#[test]
fn its_own_lease_and_secret_and_no_others() {
    let own = |resource, name| ask("UPDATE", resource).within("kymaros-system").named(name);
    passes(own("leases.coordination.k8s.io", "kymaros-leader"));
    passes(own("secrets", "kymaros-webhook-certificate"));
    refused(own("leases.coordination.k8s.io", "other"), "own lease");
    refused(own("secrets", "kymaros-license"), "certificate");
    let elsewhere = ask("UPDATE", "secrets")
        .within("production")
        .named("kymaros-webhook-certificate");
    refused(elsewhere, "not a sandbox");
    let deleted = ask("DELETE", "secrets")
        .within("kymaros-system")
        .named("kymaros-webhook-certificate");
    refused(deleted, "certificate");
}

#[test]
fn of_its_own_kinds_the_spec_stays_the_users() {
    let test = |cron: &str, finalizer: &str| json!({ "metadata": { "name": "t", "finalizers": ["a", finalizer] }, "spec": { "schedule": { "cron": cron } } });
    let update = || ask("UPDATE", "restoretests.restore.kymaros.io").within("ops");
    let ours = kymaros_crds::names::FINALIZER;
    let mut released = test("0 3 * * *", ours);
    released["metadata"]["finalizers"] = json!(["a"]);
    passes(update().old(test("0 3 * * *", ours)).object(released.clone()));
    passes(update().old(released).object(test("0 3 * * *", ours)));
    refused(
        update()
            .old(test("0 3 * * *", "b"))
            .object(test("0 3 * * *", "c")),
        "finalizer",
    );
    refused(
        update()
            .old(test("0 3 * * *", "a"))
            .object(test("0 4 * * *", "a")),
        "finalizer",
    );
    let mut marked = test("0 3 * * *", "a");
    marked["metadata"]["labels"] = json!({ "team": "other" });
    refused(update().old(test("0 3 * * *", "a")).object(marked), "finalizer");
    refused(
        ask("DELETE", "restoretests.restore.kymaros.io").within("ops"),
        "finalizer",
    );
    passes(ask("UPDATE", "restoretests.restore.kymaros.io/status").within("ops"));
    passes(ask("CREATE", "restorereports.restore.kymaros.io").within("ops"));
    passes(ask("DELETE", "restorereports.restore.kymaros.io").within("ops"));
    let rewrite = ask("UPDATE", "restorereports.restore.kymaros.io").within("ops");
    refused(
        rewrite.old(test("0 3 * * *", "a")).object(test("0 4 * * *", "a")),
        "never changed",
    );
    refused(
        ask("UPDATE", "healthcheckpolicies.restore.kymaros.io").within("ops"),
        "not a sandbox",
    );
}

/// Whatever has an owner that does not exist is deleted at once.
#[test]
fn nothing_gets_another_owner() {
    let plain = json!({ "metadata": { "name": "x", "labels": { "velero.io/restore-name": "kymaros-0a1b2c3d-0" } },
        "spec": { "persistentVolumeReclaimPolicy": "Retain", "claimRef": { "namespace": LIVE } } });
    let mut owned = plain.clone();
    owned["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u" }]);
    for (resource, namespace) in [
        ("restoretests.restore.kymaros.io", "ops"),
        ("restorereports.restore.kymaros.io", "ops"),
        ("podvolumerestores.velero.io", "velero"),
        ("datadownloads.velero.io", "velero"),
        ("persistentvolumes", ""),
    ] {
        let change = |object: &Value| {
            let mut new = object.clone();
            if namespace == "velero" {
                new["spec"]["cancel"] = json!(true);
            } else if namespace.is_empty() {
                new["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
            }
            ask("UPDATE", resource)
                .within(namespace)
                .old(plain.clone())
                .object(new)
        };
        passes(change(&plain));
        refused(change(&owned), "");
    }
    let mut world = World::new();
    world.operator.writes_tests = true;
    let adopted = ask("UPDATE", "restoretests.restore.kymaros.io").within("ops");
    let request = adopted.old(plain).object(owned).request();
    assert!(!guard(&request, &world).is_allowed());
}

#[test]
fn events_and_reviews_are_harmless() {
    passes(ask("CREATE", "events.events.k8s.io").within("production"));
    passes(ask("CREATE", "selfsubjectreviews.authentication.k8s.io"));
    refused(ask("DELETE", "events").within("production"), "told");
}

#[test]
fn of_a_volume_of_a_sandbox_the_reclaim_policy_is_set_to_delete() {
    let volume = |policy: &str, claimed_by: &str| {
        json!({ "metadata": { "name": "pv" }, "spec": {
            "persistentVolumeReclaimPolicy": policy, "claimRef": { "namespace": claimed_by } } })
    };
    let asked = |claimed_by: &str, policy: &str| {
        ask("UPDATE", "persistentvolumes")
            .named("pv")
            .old(volume("Retain", claimed_by))
            .object(volume(policy, claimed_by))
    };
    passes(asked(LIVE, "Delete"));
    passes(asked(ORPHAN, "Delete"));
    refused(asked("production", "Delete"), "not a sandbox");
    refused(asked(LIVE, "Retain"), "reclaim policy");
    let moved = ask("UPDATE", "persistentvolumes").named("pv");
    refused(
        moved
            .old(volume("Retain", "production"))
            .object(volume("Delete", LIVE)),
        "reclaim policy",
    );
    refused(
        ask("DELETE", "persistentvolumes").named("pv"),
        "neither made nor deleted",
    );
}

#[test]
fn of_snapshots_only_copies_go_whose_original_stays() {
    let going = |operation: &str, restore: &str, policy: &str| {
        let old = json!({ "metadata": { "name": "c", "labels": { "velero.io/restore-name": restore } },
            "spec": { "deletionPolicy": policy, "volumeSnapshotRef": { "namespace": LIVE } } });
        ask(operation, "volumesnapshotcontents.snapshot.storage.k8s.io")
            .named("c")
            .old(old)
    };
    let (ours, why) = ("kymaros-0a1b2c3d-0", "whose snapshot stays");
    passes(going("DELETE", ours, "Retain"));
    refused(going("DELETE", ours, "Delete"), why);
    refused(going("DELETE", "nightly", "Retain"), why);
    refused(going("UPDATE", ours, "Retain"), why);
}

#[test]
fn what_is_on_its_way_here_is_waited_for() {
    let request = ask("CREATE", "pods").within("rp-just-made").request();
    assert!(matches!(
        guard(&request, &World::new()),
        Answer::DenyUnlessKnownSoon(_)
    ));
    let request = ask("UPDATE", "nodes").request();
    assert!(matches!(guard(&request, &World::new()), Answer::Deny(_)));
}

#[test]
fn tests_are_changed_for_callers_of_the_api_only_where_they_have_no_account() {
    let mut world = World::new();
    world.operator.writes_tests = true;
    let allowed = |asked: Asked| guard(&asked.request(), &world).is_allowed();
    let test = |cron: &str, team: &str| {
        let metadata = json!({ "name": "t", "labels": { "team": team }, "resourceVersion": cron });
        json!({ "metadata": metadata, "spec": { "schedule": { "cron": cron } } })
    };
    let tests = |operation| ask(operation, "restoretests.restore.kymaros.io").within("ops");
    assert!(allowed(tests("CREATE").object(test("0 3 * * *", "a"))));
    assert!(allowed(tests("DELETE").old(test("0 3 * * *", "a"))));
    let changed = tests("UPDATE").old(test("0 3 * * *", "a"));
    assert!(allowed(changed.object(test("0 4 * * *", "a"))));
    let relabelled = tests("UPDATE").old(test("0 3 * * *", "a"));
    assert!(!allowed(relabelled.object(test("0 3 * * *", "b"))));
    assert!(!allowed(
        ask("UPDATE", "healthcheckpolicies.restore.kymaros.io").within("ops")
    ));
    assert!(!allowed(ask("CREATE", "pods").within("ops")));
    refused(tests("CREATE").object(test("0 3 * * *", "a")), "finalizer");
    refused(tests("DELETE").old(test("0 3 * * *", "a")), "finalizer");
}
