//! What an ended run left behind: nobody is to be alarmed by what somebody has removed since.

use kube::Client;
use kymaros_crds::RestoreReport;

use super::observe;
use crate::sandbox::leftovers::leftovers;

/// Whether a run has ended and nothing of it is looked at any more.
#[must_use]
pub fn is_settled(report: &RestoreReport) -> bool {
    observe::is_over(report) && known(report).is_none()
}

/// How many objects a run left behind when it ended; none when it left nothing, or goes on. One that goes on counts what
/// its cleanup waits for.
pub(super) fn known(report: &RestoreReport) -> Option<i32> {
    let ended = report.status.as_ref().filter(|_| observe::is_over(report))?;
    ended.leftovers.filter(|count| *count > 0)
}

/// How many of so many objects are still there. A later run may have a sandbox of the same name, with volumes of its own.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn still_there(
    client: &Client,
    velero_namespace: &str,
    report: &RestoreReport,
    known: i32,
) -> Result<i32, kube::Error> {
    let uid = report.metadata.uid.as_deref().unwrap_or_default();
    let status = report.status.as_ref();
    let sandboxes = status.map(|status| status.sandboxes.iter().map(|sandbox| sandbox.name.clone()));
    let sandboxes: Vec<String> = sandboxes.into_iter().flatten().collect();
    let left = leftovers(client, velero_namespace, uid, &sandboxes).await?;
    Ok(i32::try_from(left.count()).map_or(known, |count| count.min(known)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(leftovers: Option<i32>) -> RestoreReport {
        let report = json!({ "metadata": { "name": "shop-1", "namespace": "ops", "uid": "u" }, "spec": { "testRef": "shop" },
            "status": { "phase": "Completed", "leftovers": leftovers, "sandboxes": [{ "source": "shop", "name": "sb" }] } });
        serde_json::from_value(report).unwrap()
    }

    /// A cluster with volumes of the sandbox and of another namespace, and nothing else.
    fn cluster(volumes: usize) -> Client {
        let volume = |name: String, namespace: &str| json!({ "metadata": { "name": name }, "spec": { "claimRef": { "namespace": namespace, "name": "data" } } });
        let mut all: Vec<_> = (0..volumes).map(|i| volume(format!("pv-{i}"), "sb")).collect();
        all.push(volume("other".to_owned(), "shop"));
        let answer = move |uri: http::Uri| {
            let items = if uri.path() == "/api/v1/persistentvolumes" {
                json!(all)
            } else {
                json!([])
            };
            std::future::ready(axum::Json(json!({ "metadata": {}, "items": items })))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    #[test]
    fn a_run_that_left_nothing_is_not_looked_at_again() {
        assert_eq!(known(&report(Some(2))), Some(2));
        assert_eq!(known(&report(Some(0))), None);
        assert_eq!(known(&report(None)), None);
        assert!(is_settled(&report(Some(0))) && !is_settled(&report(Some(2))));
        let mut held = report(Some(0));
        held.metadata.finalizers = Some(vec![kymaros_crds::names::FINALIZER.to_owned()]);
        assert!(!is_settled(&held), "there is something to clean up");
        let mut cleans_up = report(Some(2));
        cleans_up.status.as_mut().unwrap().phase = Some(kymaros_crds::RunPhase::CleaningUp);
        assert_eq!(known(&cleans_up), None, "it is no remains yet");
        assert!(!is_settled(&cleans_up));
    }

    #[tokio::test]
    async fn what_somebody_removed_counts_no_more_and_what_a_later_run_made_does_not_either() {
        for (volumes, left) in [(2, 2), (1, 1), (0, 0), (5, 2)] {
            let counted = still_there(&cluster(volumes), "velero", &report(Some(2)), 2).await;
            assert_eq!(counted.unwrap(), left, "{volumes}");
        }
    }
}
