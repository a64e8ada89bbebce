//! What is not there, in words and with what to do.

use axum::http::{StatusCode, Uri};

use super::pages::Wrong;
use crate::fleet::{ClusterName, Fleet, View};

/// No test has this name.
pub(super) fn no_test((namespace, name): (&str, &str), cluster: Option<&ClusterName>) -> Wrong {
    Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such test",
        what: format!(
            "No RestoreTest {name} is in the namespace {namespace}{}.",
            in_cluster(cluster)
        ),
        remedy: "It may have been deleted since. Which there are:".to_owned(),
        command: format!("kubectl get restoretests --namespace {namespace}"),
        narrows: false,
    }
}

fn in_cluster(cluster: Option<&ClusterName>) -> String {
    cluster.map_or_else(String::new, |name| format!(" of cluster {name}"))
}

/// Other clusters are only read.
pub(super) fn elsewhere(cluster: &ClusterName, (namespace, name): (&str, &str)) -> Wrong {
    Wrong {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Runs of other clusters are started there",
        what: format!("Cluster {cluster} is only read from here; nothing was done."),
        remedy: "Start the run in that cluster:".to_owned(),
        command: format!("kymaros run {name} --namespace {namespace}"),
        narrows: false,
    }
}

/// A report that is too old for the tier is not gone: the line that says so.
pub(super) fn too_old(fleet: &Fleet, (namespace, name): (&str, &str), view: &View) -> Option<String> {
    let stored = fleet.stored(view.clusters.other(), namespace, name);
    stored.and_then(|_| view.since(None).1)
}

/// No report has this name.
pub(super) fn no_report((namespace, name): (&str, &str), cluster: Option<&ClusterName>) -> Wrong {
    Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such report",
        what: format!(
            "No RestoreReport {name} is in the namespace {namespace}{}.",
            in_cluster(cluster)
        ),
        remedy: "Reports beyond a test's history limit are removed. Those that are kept:".to_owned(),
        command: format!("kubectl get restorereports --namespace {namespace}"),
        narrows: false,
    }
}

/// No page has this address.
pub(super) fn no_page(uri: &Uri) -> Wrong {
    Wrong {
        status: StatusCode::NOT_FOUND,
        title: "There is no such page",
        what: format!("Nothing is at {}.", uri.path()),
        remedy: "Every page is one or two clicks from the overview.".to_owned(),
        command: String::new(),
        narrows: false,
    }
}
