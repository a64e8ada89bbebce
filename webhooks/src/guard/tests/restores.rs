//! Restores, and what Velero does for them.

use super::*;

fn restore(spec: &Value) -> Asked {
    let object =
        json!({ "metadata": { "name": "kymaros-0a1b2c3d-0", "labels": marks("live") }, "spec": spec });
    ask("CREATE", "restores.velero.io")
        .within("velero")
        .object(object)
}

fn narrow() -> Value {
    json!({
        "backupName": "nightly", "includedNamespaces": ["shop"], "namespaceMapping": { "shop": "rp-live" },
        "existingResourcePolicy": "none", "hooks": {},
    })
}

#[test]
fn a_restore_reaches_sandboxes_of_its_run_and_nothing_else() {
    passes(restore(&narrow()));
    let with = |field: &str, value: Value| {
        let mut spec = narrow();
        spec[field] = value;
        restore(&spec)
    };
    refused(with("includedNamespaces", json!([])), "one by one");
    refused(with("includedNamespaces", json!(["*"])), "one by one");
    refused(with("includedNamespaces", json!(["shop", "db"])), "mapped");
    refused(with("namespaceMapping", json!({})), "mapped");
    refused(
        with("namespaceMapping", json!({ "shop": "production" })),
        "not a sandbox",
    );
    refused(
        with(
            "namespaceMapping",
            json!({ "shop": "rp-live", "x": "kube-system" }),
        ),
        "not a sandbox",
    );
    refused(with("namespaceMapping", json!({ "shop": ENDING })), "another run");
    refused(
        with("includeClusterResources", json!(true)),
        "includeClusterResources",
    );
    refused(
        with("includeClusterResources", json!(false)),
        "includeClusterResources",
    );
    refused(with("existingResourcePolicy", json!("update")), "never update");
    refused(with("preserveNodePorts", json!(true)), "node ports");
    refused(with("hooks", json!({ "resources": [{ "name": "x" }] })), "hooks");
    refused(
        with("resourceModifier", json!({ "kind": "ConfigMap", "name": "x" })),
        "resourceModifier",
    );
    refused(with("includedNamespaces", json!("shop")), "cannot be read");
    refused(
        restore(&narrow()).object(json!({ "spec": narrow() })),
        "labels of its run",
    );
    refused(restore(&narrow()).within("elsewhere"), "not a sandbox");
}

#[test]
fn a_restore_that_was_under_way_when_its_run_was_deleted_is_no_defect() {
    let mut spec = narrow();
    spec["namespaceMapping"]["shop"] = ENDING.into();
    let of = |uid: &str, spec: &Value| {
        restore(spec).object(
            json!({ "metadata": { "name": "kymaros-0a1b2c3d-0", "labels": marks(uid) }, "spec": spec }),
        )
    };
    assert_eq!(
        remedy(of("ending", &spec)),
        "RunOver: it was under way when that happened, and nothing is to be done"
    );
    spec["includedNamespaces"] = json!(["*"]);
    assert!(remedy(of("ending", &spec)).starts_with("Restores: report this as a defect"));
}

/// What it restores carries its name, and by that alone is kept in sandboxes.
#[test]
fn a_restore_has_a_name_that_is_contained() {
    let named = |metadata: Value| {
        let mut object = json!({ "metadata": metadata, "spec": narrow() });
        object["metadata"]["labels"] = marks("live");
        restore(&narrow()).object(object)
    };
    passes(named(json!({ "name": "kymaros-0a1b2c3d-12" })));
    for name in [
        "x",
        "kymaros-x",
        "kymaros-0a1b2c3d",
        "kymaros-0a1b2c3d-",
        "kymaros-0a1b2c3d-x",
        "kymaros-0a1b2c3d-1-1",
        // Of a name beyond 63 characters the label is its start and a hash.
        "kymaros-0a1b2c3d-0000000000000000000000000000000000000000000000000000000000001",
    ] {
        refused(named(json!({ "name": name })), "is contained");
    }
    refused(
        named(json!({ "generateName": "kymaros-0a1b2c3d-0" })),
        "is contained",
    );
}

#[test]
fn restores_of_others_are_neither_changed_nor_deleted() {
    let delete = |name: &str, labels: Value| {
        ask("DELETE", "restores.velero.io")
            .within("velero")
            .old(json!({ "metadata": { "name": name, "labels": labels } }))
    };
    passes(delete("kymaros-0a1b2c3d-0", marks("gone")));
    refused(delete("kymaros-0a1b2c3d-0", json!({})), "not made by a run");
    let copied = delete("recover-shop", marks("gone"));
    refused(copied, "not made by a run");
    refused(
        ask("UPDATE", "restores.velero.io").within("velero"),
        "never changed",
    );
    refused(
        ask("CREATE", "backups.velero.io").within("velero"),
        "not a sandbox",
    );
    refused(
        ask("CREATE", "deletebackuprequests.velero.io").within("velero"),
        "not a sandbox",
    );
}

#[test]
fn download_requests_belong_to_a_run() {
    let made = |labels: Value, spec: Value| {
        let object = json!({ "metadata": { "name": "d", "labels": labels }, "spec": spec });
        ask("CREATE", "downloadrequests.velero.io")
            .within("velero")
            .object(object)
    };
    let of = |kind: &str| json!({ "target": { "kind": kind, "name": "nightly" } });
    for kind in crate::guard::ARTIFACTS {
        passes(made(marks("live"), of(kind)));
    }
    refused(made(json!({}), of("RestoreResults")), "labels of its run");
    refused(made(marks("unheard-of"), of("RestoreResults")), "no report");
    refused(made(marks("live"), of("BackupContents")), "never for data");
    refused(made(marks("live"), of("BackupItemOperations")), "never for data");
    refused(made(marks("live"), json!({})), "never for data");
}

#[test]
fn data_movers_of_our_restores_may_be_told_to_stop() {
    let mover = |restore: &str, spec: Value| json!({ "metadata": { "name": "m", "labels": { "velero.io/restore-name": restore } }, "spec": spec });
    let asked = |restore: &str, after: Value| {
        ask("UPDATE", "podvolumerestores.velero.io")
            .within("velero")
            .old(mover(restore, json!({ "volume": "v" })))
            .object(mover(restore, after))
    };
    let stop = json!({ "volume": "v", "cancel": true });
    passes(asked("kymaros-0a1b2c3d-0", stop.clone()));
    refused(asked("kymaros-of-a-person", stop.clone()), "somebody else");
    refused(asked("theirs", stop), "not known");
    refused(
        asked("kymaros-0a1b2c3d-0", json!({ "volume": "w", "cancel": true })),
        "told to stop",
    );
    refused(
        asked("kymaros-0a1b2c3d-0", json!({ "volume": "v" })),
        "told to stop",
    );
    refused(
        ask("DELETE", "podvolumerestores.velero.io").within("velero"),
        "Velero's",
    );
}
