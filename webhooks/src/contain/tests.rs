//! What Velero may restore for us, and what it may not.

use serde_json::{Value, json};

use super::contain;
use crate::{
    answer::Answer,
    sample::{Asked, ENDING, LIVE, VELERO, World},
};

const OURS: &str = "kymaros-0a1b2c3d-0";

fn object(restore: &str, spec: &Value) -> Value {
    json!({ "metadata": { "name": "x", "labels": { "velero.io/restore-name": restore } }, "spec": spec })
}

fn restored(resource: &str, restore: &str) -> Asked {
    Asked::new(VELERO, "CREATE", resource)
        .named("x")
        .object(object(restore, &json!({})))
}

fn passes(asked: Asked) {
    let answer = contain(&asked.request(), &World::new());
    assert!(answer.is_allowed(), "{answer:?}");
}

fn refused(asked: Asked, why: &str) {
    match contain(&asked.request(), &World::new()) {
        Answer::Deny(denial) | Answer::DenyUnlessKnownSoon(denial) => {
            assert!(denial.message().contains(why), "{}", denial.message());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restore_of_ours_lands_in_its_own_sandbox() {
    passes(restored("deployments.apps", OURS).within(LIVE));
    refused(
        restored("deployments.apps", OURS).within("production"),
        "not a sandbox",
    );
    refused(restored("deployments.apps", OURS).within(ENDING), "another run");
    passes(restored("podvolumerestores.velero.io", OURS).within("velero"));
}

#[test]
fn what_stands_for_something_outside_of_the_cluster_is_never_copied() {
    let why = "outside of the cluster";
    refused(
        restored("sqlinstances.sql.cnrm.cloud.google.com", OURS).within(LIVE),
        why,
    );
    refused(restored("buckets.s3.aws.upbound.io", OURS).within(LIVE), why);
    passes(restored("clusters.postgresql.cnpg.io", OURS).within(LIVE));
    passes(restored("buckets.s3.aws.upbound.io", "friday").within("production"));
}

#[test]
fn restores_of_people_are_their_own_business() {
    passes(restored("deployments.apps", "friday").within("production"));
    passes(restored("deployments.apps", "kymaros-of-a-person").within("production"));
    passes(restored(
        "clusterroles.rbac.authorization.k8s.io",
        "kymaros-of-a-person",
    ));
    passes(restored("deployments.apps", "kymaros-not-there-any-more").within("production"));
}

#[test]
fn a_restore_of_ours_that_is_gone_restores_nothing() {
    refused(
        restored("deployments.apps", "kymaros-ffffffff-0").within("production"),
        "does not exist",
    );
}

#[test]
fn what_carries_the_label_since_long_can_be_changed() {
    let asked = Asked::new("someone", "UPDATE", "persistentvolumes")
        .old(object("kymaros-ffffffff-0", &json!({})))
        .object(object("kymaros-ffffffff-0", &json!({})));
    passes(asked);
}

#[test]
fn nothing_is_restored_for_the_whole_cluster_but_volumes() {
    for resource in [
        "clusterroles.rbac.authorization.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "priorityclasses.scheduling.k8s.io",
    ] {
        refused(restored(resource, OURS), "whole cluster");
    }
    let content = |policy: &str| {
        let spec = json!({ "deletionPolicy": policy });
        restored("volumesnapshotcontents.snapshot.storage.k8s.io", OURS).object(object(OURS, &spec))
    };
    passes(content("Retain"));
    refused(content("Delete"), "the backup would lose its snapshot");
}

#[test]
fn a_volume_never_comes_back_in_the_place_of_another() {
    let volume = |source: Value| restored("persistentvolumes", OURS).object(object(OURS, &source));
    let csi = |handle: &str| json!({ "csi": { "driver": "ebs", "volumeHandle": handle } });
    passes(volume(csi("vol-copy")));
    refused(volume(csi("vol-1")), "pv-production");
    refused(
        volume(json!({ "nfs": { "server": "files", "path": "/" } })),
        "nfs",
    );
    refused(volume(json!({ "hostPath": { "path": "/data" } })), "hostPath");
    passes(volume(csi("vol-1")).named("pv-production"));
}

#[test]
fn a_volume_to_be_retained_needs_a_run_that_could_read_its_backup() {
    let spec = json!({ "csi": { "driver": "ebs", "volumeHandle": "vol-copy" }, "persistentVolumeReclaimPolicy": "Retain" });
    let volume = || restored("persistentvolumes", OURS).object(object(OURS, &spec));
    passes(volume());
    let mut world = World::new();
    for run in world.runs.values_mut() {
        // That of another of its backups.
        run.knows_volumes = [1].into();
    }
    let answer = contain(&volume().request(), &world);
    assert!(matches!(answer, Answer::DenyUnlessKnownSoon(_)), "{answer:?}");
}

#[test]
fn a_workload_with_storage_of_production_written_into_it_is_refused() {
    let spec = json!({ "template": { "spec": { "volumes": [{ "name": "d", "nfs": {} }] } } });
    let asked = restored("deployments.apps", OURS)
        .within(LIVE)
        .object(object(OURS, &spec));
    refused(asked, "production's own storage");
}

#[test]
fn a_pod_with_the_sidecar_of_a_mesh_is_left_to_its_controller_unless_velero_fills_a_volume_of_it() {
    let pod = |by: &str, label: &str, first: &str| {
        let metadata = json!({ "name": "x", "annotations": { by: "x" },
            "labels": { "velero.io/restore-name": OURS, label: "1" } });
        let object = json!({ "metadata": metadata, "spec": { "initContainers": [{ "name": first }] } });
        Asked::new(VELERO, "CREATE", "pods")
            .named("x")
            .object(object)
            .within(LIVE)
    };
    for by in ["sidecar.istio.io/status", "linkerd.io/proxy-version"] {
        refused(pod(by, "pod-template-hash", "istio-init"), "sidecar");
        refused(pod(by, "controller-revision-hash", "istio-init"), "sidecar");
        passes(pod(by, "app", "istio-init"));
        passes(pod(by, "pod-template-hash", "restore-wait"));
    }
    passes(pod("example.com/note", "pod-template-hash", "istio-init"));
}

#[test]
fn velero_does_not_make_a_removed_sandbox_anew() {
    let made = |user: &str, name: &str| {
        Asked::new(user, "CREATE", "namespaces")
            .named(name)
            .object(json!({ "metadata": { "name": name } }))
    };
    refused(made(VELERO, LIVE), "removed");
    passes(made(VELERO, "production"));
    passes(made("someone", LIVE));
}
