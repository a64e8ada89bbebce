//! What a person asks for when a test failed.

use crate::cluster::Cluster;

/// Prints events, pods, reports and the operator's last words.
pub(super) fn print(cluster: &Cluster, namespaces: &[String]) {
    let show = |title: &str, args: &[&str]| {
        eprintln!("──── {title}");
        match cluster.kubectl(args) {
            Ok(text) => eprintln!("{text}"),
            Err(error) => eprintln!("(cannot be had: {error:#})"),
        }
    };
    for namespace in namespaces {
        show(
            &format!("pods of {namespace}"),
            &["get", "pods", "-o", "wide", "-n", namespace],
        );
        show(
            &format!("events of {namespace}"),
            &["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"],
        );
        show(
            &format!("tests of {namespace}"),
            &["get", "restoretests", "-o", "yaml", "-n", namespace],
        );
        show(
            &format!("reports of {namespace}"),
            &["get", "restorereports", "-o", "yaml", "-n", namespace],
        );
    }
    show(
        "sandboxes",
        &[
            "get",
            "namespaces",
            "-l",
            "kymaros.io/managed-by=kymaros",
            "--show-labels",
        ],
    );
    show("pods in all namespaces", &["get", "pods", "-A", "-o", "wide"]);
    show(
        "restores",
        &["get", "restores.velero.io", "-n", "velero", "-o", "wide"],
    );
    show(
        "the operator",
        &["logs", "-n", "kymaros-system", "deployment/kymaros", "--tail=60"],
    );
}
