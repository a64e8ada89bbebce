//! The sweeper: sandboxes whose run is gone, and sandboxes past their time, whatever became of their report.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, core::PartialObjectMeta, runtime::controller::Action};
use kymaros_crds::{RestoreReport, names};

use super::remove::{self, OwnedSandbox};

/// A run gets this long after its sandbox expired to clean up by itself and say so in its report.
const GRACE: Duration = Duration::from_mins(1);

/// What the sweeper works with.
pub struct SweepContext {
    /// Talks to the API server.
    pub client: Client,
    /// Where Velero lives.
    pub velero_namespace: String,
}

/// Looks at one sandbox.
///
/// # Errors
/// When the API server refuses or does not answer; it is looked at again later.
#[tracing::instrument(skip_all, fields(sandbox = %namespace.name_any()))]
pub async fn reconcile(
    namespace: Arc<PartialObjectMeta<Namespace>>,
    context: Arc<SweepContext>,
) -> Result<Action, kube::Error> {
    let Some(uid) = namespace.labels().get(names::RUN_UID_LABEL).cloned() else {
        return Ok(Action::await_change());
    };
    let name = namespace.name_any();
    let is_orphan = !has_run(&context.client, &namespace, &uid).await?;
    match fate(&namespace, is_orphan, Timestamp::now()) {
        Fate::Look(at) => Ok(at.map_or_else(Action::await_change, |at| {
            let wait = at.duration_since(Timestamp::now());
            Action::requeue(Duration::try_from(wait).unwrap_or(Duration::ZERO))
        })),
        Fate::Remove => {
            tracing::warn!(run_uid = %uid, is_orphan, "removes a sandbox nobody looks after any more");
            if let Some(owned) = OwnedSandbox::find(&context.client, &name, &uid).await? {
                owned.remove(&context.client).await?;
            }
            let left = remove::leftovers(&context.client, &context.velero_namespace, &uid, &[name]).await?;
            remove::remove_outside(&context.client, &context.velero_namespace, &left).await?;
            Ok(Action::requeue(Duration::from_secs(10)))
        }
    }
}

/// What is to be done with a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing now; look again then.
    Look(Option<Timestamp>),
    /// It goes.
    Remove,
}

fn fate(namespace: &PartialObjectMeta<Namespace>, is_orphan: bool, now: Timestamp) -> Fate {
    let expires: Option<Timestamp> = namespace
        .annotations()
        .get(names::EXPIRES_AT_ANNOTATION)
        .and_then(|t| t.parse().ok());
    let deadline = expires.map(|at| crate::run::observed::after(at, GRACE));
    let is_overdue = deadline.is_none_or(|at| now >= at);
    match (
        is_orphan || is_overdue,
        namespace.metadata.deletion_timestamp.is_some(),
    ) {
        (false, _) => Fate::Look(deadline),
        (true, false) => Fate::Remove,
        // It is going already.
        (true, true) => Fate::Look(None),
    }
}

/// Whether the report of the run still exists, asked of the API server itself: a store that lags behind would make
/// an orphan of a new run.
async fn has_run(
    client: &Client,
    namespace: &PartialObjectMeta<Namespace>,
    uid: &str,
) -> Result<bool, kube::Error> {
    let labels = namespace.labels();
    let (Some(home), Some(run)) = (
        labels.get(names::TEST_NAMESPACE_LABEL),
        labels.get(names::RUN_LABEL),
    ) else {
        return Ok(false);
    };
    let reports = Api::<RestoreReport>::namespaced(client.clone(), home);
    if let Some(report) = reports.get_metadata_opt(run).await? {
        return Ok(report.uid().as_deref() == Some(uid));
    }
    // A long name was cut in the label: the UID decides.
    let all = reports.list_metadata(&kube::api::ListParams::default()).await?;
    Ok(all.items.iter().any(|r| r.uid().as_deref() == Some(uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(expires: Option<&str>, going: bool) -> PartialObjectMeta<Namespace> {
        let mut namespace = PartialObjectMeta::<Namespace>::default();
        namespace.metadata.annotations =
            expires.map(|e| [(names::EXPIRES_AT_ANNOTATION.to_owned(), e.to_owned())].into());
        namespace.metadata.deletion_timestamp = going.then_some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH),
        );
        namespace
    }

    #[test]
    fn orphans_and_the_overdue_go_and_others_stay() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let later = "2026-01-01T13:00:00Z";
        assert!(matches!(
            fate(&sandbox(Some(later), false), false, now),
            Fate::Look(Some(_))
        ));
        assert_eq!(fate(&sandbox(Some(later), false), true, now), Fate::Remove);
        assert_eq!(
            fate(&sandbox(Some("2026-01-01T11:00:00Z"), false), false, now),
            Fate::Remove
        );
        assert_eq!(
            fate(&sandbox(None, false), false, now),
            Fate::Remove,
            "without a time it would stay for ever"
        );
        assert_eq!(fate(&sandbox(Some(later), true), true, now), Fate::Look(None));
    }
}
