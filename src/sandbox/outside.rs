//! What a run that nobody looks after left outside of its sandboxes. Its Restores may outlive them, so they are looked at by
//! themselves.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::controller::Action};

use super::{
    leftovers::{LeftRestore, Leftovers, leftovers, remove_outside},
    sweep::{SweepContext, is_orphan},
};
use crate::velero::{
    Restore, movers,
    restore::{run_of, targets},
};

/// What was asked to go is looked at again after this, for it may have been refused.
pub(super) const AGAIN: Duration = Duration::from_secs(10);

/// Looks at one Restore. It goes only when its report is gone: any other report says what became of its Restores.
///
/// # Errors
/// When the API server refuses or does not answer; it is looked at again later.
#[tracing::instrument(skip_all, fields(restore = %restore.name_any()))]
pub async fn reconcile(restore: Arc<Restore>, context: Arc<SweepContext>) -> Result<Action, kube::Error> {
    let Some(uid) = run_of(&restore) else {
        return Ok(Action::await_change());
    };
    if !is_orphan(&context.client, restore.labels(), uid).await? {
        return Ok(Action::await_change());
    }
    let sandboxes: Vec<String> = targets(&restore).cloned().collect();
    let mut left = leftovers(&context.client, &context.velero_namespace, uid, &sandboxes).await?;
    // A later run may have a sandbox of the same name, with snapshots of its own; and each Restore of this one goes with its
    // own.
    let own = restore.name_any();
    left.snapshots.retain(|content| content.restore == own);
    left.restores.retain(|restore| restore.name == own);
    let is_left = remove(&context, left).await?;
    Ok(if is_left {
        Action::requeue(AGAIN)
    } else {
        Action::await_change()
    })
}

/// Asks what is left outside of sandboxes to go; whether anything was still to be asked. What is going already waits for
/// Velero, and a Restore that Velero works on goes once it has ended.
pub(super) async fn remove(context: &SweepContext, left: Leftovers) -> Result<bool, kube::Error> {
    let (client, velero) = (&context.client, &context.velero_namespace);
    let (mut ready, busy) = sorted(left);
    for restore in &busy {
        if let Err(error) = movers::cancel(client, velero, &restore.name).await {
            tracing::warn!(restore = restore.name, %error, "its data movers may not be stopped");
        }
    }
    let is_left = ready.count_outside() + busy.len() > 0;
    // Restores go last, for what is refused is looked at again while there is one.
    let restores = Leftovers {
        restores: std::mem::take(&mut ready.restores),
        ..Leftovers::default()
    };
    let removals = remove_outside(client, velero, &ready).await?;
    if removals.iter().all(|removal| removal.refused.is_none()) {
        remove_outside(client, velero, &restores).await?;
    }
    Ok(is_left)
}

/// What can be asked to go now, and Restores that Velero works on.
fn sorted(mut left: Leftovers) -> (Leftovers, Vec<LeftRestore>) {
    left.restores.retain(|restore| !restore.is_going);
    let (busy, ready) = left
        .restores
        .into_iter()
        .partition(|restore| restore.is_under_way);
    left.restores = ready;
    (left, busy)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kube::Client;
    use kymaros_crds::names;
    use serde_json::{Value, json};

    use super::*;

    fn labels() -> Value {
        json!({ names::MANAGED_BY_LABEL: names::MANAGED_BY, names::RUN_UID_LABEL: "u",
                names::TEST_NAMESPACE_LABEL: "ops", names::RUN_LABEL: "shop-1" })
    }

    fn restore(labels: &Value, phase: &str) -> Value {
        json!({ "apiVersion": "velero.io/v1", "kind": "Restore",
                "metadata": { "name": "kymaros-0a1b2c3d-0", "namespace": "velero", "labels": labels },
                "spec": { "namespaceMapping": { "shop": "sb" } }, "status": { "phase": phase } })
    }

    /// What is asked to go of a cluster with this Restore and snapshot contents of two runs, in which the report has this
    /// UID, and whether it is looked at again. The report's name was cut in the label.
    async fn swept(restore: Value, report: Option<&str>) -> (Vec<String>, bool) {
        swept_with(restore, report, 200).await
    }

    /// The same where removals of snapshot contents are answered with this code.
    async fn swept_with(restore: Value, report: Option<&str>, removal: u16) -> (Vec<String>, bool) {
        let deleted = Arc::new(Mutex::new(Vec::new()));
        let asked = deleted.clone();
        let report = report
            .map(|uid| json!({ "metadata": { "name": "shop-1-long", "namespace": "ops", "uid": uid } }));
        let snapshot = |name: &str, restore: &str| {
            json!({ "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
                    "metadata": { "name": name, "uid": name, "labels": { "velero.io/restore-name": restore } },
                    "spec": { "deletionPolicy": "Retain",
                              "volumeSnapshotRef": { "namespace": "sb", "name": "s" } } })
        };
        let contents = json!([
            snapshot("ours", "kymaros-0a1b2c3d-0"),
            snapshot("theirs", "kymaros-4e5f6a7b-0")
        ]);
        let of_run = json!([restore.clone()]);
        let answer = move |method: http::Method, uri: http::Uri| {
            let path = uri.path().to_owned();
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let (code, body) = if method == http::Method::DELETE {
                let code = if path.contains("volumesnapshotcontents") {
                    removal
                } else {
                    200
                };
                let status = if code == 200 { "Success" } else { "Failure" };
                asked.lock().unwrap().push(name);
                (code, json!({ "kind": "Status", "status": status, "code": code }))
            } else {
                let items = match name.as_str() {
                    "restores" => of_run.clone(),
                    "restorereports" => json!(report.as_slice()),
                    "volumesnapshotcontents" => contents.clone(),
                    _ => json!([]),
                };
                let missing = json!({ "status": "Failure", "code": 404, "reason": "NotFound" });
                match name.as_str() {
                    "shop-1" => (404, missing),
                    _ => (200, json!({ "metadata": {}, "items": items })),
                }
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        let restore: Restore = serde_json::from_value(restore).unwrap();
        let context = SweepContext {
            client: Client::new(axum::Router::new().fallback(answer), "default"),
            velero_namespace: "velero".to_owned(),
        };
        let next = reconcile(Arc::new(restore), Arc::new(context)).await.unwrap();
        let deleted = deleted.lock().unwrap().clone();
        (deleted, next == Action::requeue(AGAIN))
    }

    #[tokio::test]
    async fn a_restore_whose_report_is_gone_goes_with_its_snapshots_and_no_other_does() {
        let gone = ["ours", "kymaros-0a1b2c3d-0"].map(str::to_owned).to_vec();
        for report in [None, Some("another run of that name")] {
            let swept = swept(restore(&labels(), "Completed"), report).await;
            assert_eq!(swept, (gone.clone(), true), "{report:?}");
        }
        let refused = swept_with(restore(&labels(), "Completed"), None, 403).await;
        let asked = vec!["ours".to_owned()];
        assert_eq!(refused, (asked, true), "its Restore is what it is looked at by");
        let nothing = (Vec::new(), false);
        assert_eq!(swept(restore(&labels(), "Completed"), Some("u")).await, nothing);
        for key in [names::MANAGED_BY_LABEL, names::RUN_UID_LABEL] {
            let mut others = labels();
            others[key] = Value::Null;
            others.as_object_mut().unwrap().remove(key);
            let swept = swept(restore(&others, "Completed"), None).await;
            assert_eq!(swept, nothing, "without {key}");
        }
    }

    #[tokio::test]
    async fn a_restore_that_velero_works_on_goes_when_it_has_ended() {
        let snapshots = vec!["ours".to_owned()];
        for phase in ["InProgress", "Finalizing"] {
            let swept = swept(restore(&labels(), phase), None).await;
            assert_eq!(swept, (snapshots.clone(), true), "{phase}");
        }
        for phase in ["", "New", "Failed"] {
            let (gone, _) = swept(restore(&labels(), phase), None).await;
            assert!(gone.contains(&"kymaros-0a1b2c3d-0".to_owned()), "{phase}");
        }
        let mut going = restore(&labels(), "Completed");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let (gone, _) = swept(going, None).await;
        assert_eq!(gone, snapshots, "it waits for Velero");
    }
}
