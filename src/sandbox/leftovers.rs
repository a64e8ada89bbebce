//! What is left of a run, and removing what it made in Velero's namespace.

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition, PersistentVolume};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
};
use kymaros_crds::names;

use super::{
    held::{self, HeldSandbox},
    ignore_gone, snapshots,
    snapshots::SnapshotContent,
};
use crate::{
    retry::{again, anew, each_page},
    velero::{
        DownloadRequest, Restore,
        restore::{RestorePhase, run_of},
    },
};

/// What still carries the labels of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Sandboxes; `true` when the namespace is already going.
    pub namespaces: Vec<(String, bool)>,
    /// Why sandboxes that are going are still there, in the cluster's words.
    pub blocked: Vec<String>,
    /// Sandboxes that are going and that other products hold.
    pub held: Vec<HeldSandbox>,
    /// Restores.
    pub restores: Vec<LeftRestore>,
    /// Download requests.
    pub downloads: Vec<String>,
    /// Volumes that belonged to a sandbox.
    pub volumes: Vec<String>,
    /// Snapshot contents that belonged to a sandbox.
    pub snapshots: Vec<SnapshotContent>,
}

/// A Restore that is left, as the API server showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRestore {
    /// Its name.
    pub name: String,
    /// It is going already.
    pub is_going: bool,
    /// Velero works on it.
    pub is_under_way: bool,
    /// Its `resourceVersion`.
    pub version: Option<String>,
}

impl LeftRestore {
    fn of(restore: &Restore) -> Self {
        Self {
            name: restore.name_any(),
            is_going: restore.metadata.deletion_timestamp.is_some(),
            is_under_way: RestorePhase::of(restore).is_under_way(),
            version: restore.resource_version(),
        }
    }
}

impl Leftovers {
    /// How many objects are left; 0 is the proof.
    #[must_use]
    pub fn count(&self) -> usize {
        let in_velero = self.restores.len() + self.downloads.len();
        self.namespaces.len() + in_velero + self.volumes.len() + self.snapshots.len()
    }

    /// How many are left outside of sandboxes for Kymaros to delete.
    #[must_use]
    pub fn count_outside(&self) -> usize {
        let snapshots = self.snapshots.iter().filter(|s| s.is_retained).count();
        self.restores.len() + self.downloads.len() + snapshots
    }
}

/// Lists what is left of a run, from the API server itself and not from a cache.
///
/// # Errors
/// When the API server does not answer.
pub async fn leftovers(
    client: &Client,
    velero_namespace: &str,
    run_uid: &str,
    sandboxes: &[String],
) -> Result<Leftovers, kube::Error> {
    let of_run = ListParams::default().labels(&format!("{}={run_uid}", names::RUN_UID_LABEL));
    let namespaces = Api::<Namespace>::all(client.clone());
    let restores = Api::<Restore>::namespaced(client.clone(), velero_namespace);
    let downloads = Api::<DownloadRequest>::namespaced(client.clone(), velero_namespace);
    let (namespaces, restores, downloads, volumes, snapshots) = tokio::try_join!(
        again(|| namespaces.list(&of_run)),
        again(|| restores.list(&of_run)),
        again(|| downloads.list(&of_run)),
        volumes_of(client, sandboxes),
        snapshots::of_sandboxes(client, sandboxes),
    )?;
    Ok(Leftovers {
        blocked: namespaces.iter().filter_map(blocker).collect(),
        held: namespaces
            .iter()
            .filter_map(|namespace| HeldSandbox::of(namespace, run_uid))
            .collect(),
        namespaces: namespaces
            .iter()
            .map(|n| (n.name_any(), n.metadata.deletion_timestamp.is_some()))
            .collect(),
        restores: restores
            .iter()
            .filter(|r| run_of(r).is_some())
            .map(LeftRestore::of)
            .collect(),
        downloads: downloads.iter().map(ResourceExt::name_any).collect(),
        volumes: volumes.iter().map(ResourceExt::name_any).collect(),
        snapshots,
    })
}

/// What became of removing an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// As findings name it, such as `Restore/kymaros-0a1b2c3d-0`.
    pub object: String,
    /// Who refuses it, in their own words.
    pub refused: Option<String>,
}

impl Removal {
    /// What is gone already, or is another object by now, is removed.
    ///
    /// # Errors
    /// When the API server did not answer.
    pub fn of<T>(kind: &str, name: &str, done: Result<T, kube::Error>) -> Result<Self, kube::Error> {
        let object = format!("{kind}/{name}");
        let refused = match ignore_gone(done.map(drop)) {
            Ok(()) => None,
            Err(kube::Error::Api(status)) => {
                let why = status.message;
                tracing::warn!(object, why, "a removal is refused, and will be tried again");
                Some(why)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { object, refused })
    }
}

/// Deletes the run's objects in Velero's namespace, and those for the whole cluster. What is refused of one keeps no other
/// from going.
///
/// # Errors
/// When the API server does not answer.
pub async fn remove_outside(
    client: &Client,
    velero_namespace: &str,
    left: &Leftovers,
) -> Result<Vec<Removal>, kube::Error> {
    let mut removals = snapshots::remove(client, &left.snapshots).await?;
    let restores = Api::<Restore>::namespaced(client.clone(), velero_namespace);
    for restore in left.restores.iter().filter(|restore| !restore.is_going) {
        // One that Velero takes up in this very moment stays until the next look.
        let as_seen = DeleteParams::default().preconditions(Preconditions {
            uid: None,
            resource_version: restore.version.clone(),
        });
        let removed = restores.delete(&restore.name, &as_seen).await;
        removals.push(Removal::of("Restore", &restore.name, removed)?);
    }
    let downloads = Api::<DownloadRequest>::namespaced(client.clone(), velero_namespace);
    for name in &left.downloads {
        let removed = downloads.delete(name, &DeleteParams::default()).await;
        removals.push(Removal::of("DownloadRequest", name, removed)?);
    }
    Ok(removals)
}

/// Volumes that belong to these sandboxes. No label tells them, so those of the whole cluster are looked through.
pub(super) async fn volumes_of(
    client: &Client,
    sandboxes: &[String],
) -> Result<Vec<PersistentVolume>, kube::Error> {
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let is_theirs = |volume: &PersistentVolume| {
        let claim = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
        claim
            .and_then(|c| c.namespace.as_ref())
            .is_some_and(|namespace| sandboxes.contains(namespace))
    };
    let list = async || {
        let mut found = Vec::new();
        each_page(&volumes, |page| found.extend(page.into_iter().filter(is_theirs))).await?;
        Ok(found)
    };
    anew(list).await
}

/// What a namespace that is going waits for.
fn blocker(namespace: &Namespace) -> Option<String> {
    let conditions = namespace.status.as_ref().and_then(|s| s.conditions.as_ref());
    let waits = |c: &&NamespaceCondition| {
        let telling = [
            "NamespaceFinalizersRemaining",
            "NamespaceContentRemaining",
            "NamespaceDeletionDiscoveryFailure",
        ];
        telling.contains(&c.type_.as_str()) && c.status == "True"
    };
    let mut messages: Vec<_> = conditions
        .into_iter()
        .flatten()
        .filter(waits)
        .filter_map(|c| c.message.clone())
        .collect();
    // Kubernetes does not tell of these.
    if namespace.metadata.deletion_timestamp.is_some() {
        let foreign = held::foreign(namespace.finalizers());
        messages
            .extend(foreign.map(|finalizer| format!("it has the finalizer {finalizer} of another product")));
    }
    (!messages.is_empty()).then(|| {
        format!(
            "namespace {} is still going: {}",
            namespace.name_any(),
            messages.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use serde_json::json;

    use super::*;

    /// A cluster with nothing in it that fails at every fifth request.
    fn failing(asked: Arc<AtomicUsize>) -> Client {
        let answer = move || {
            let fails = (asked.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(5);
            let (code, body) = if fails {
                let failed = json!({ "status": "Failure", "code": 500, "reason": "InternalError" });
                (http::StatusCode::INTERNAL_SERVER_ERROR, failed)
            } else {
                (http::StatusCode::OK, json!({ "metadata": {}, "items": [] }))
            };
            std::future::ready((code, axum::Json(body)))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    #[tokio::test]
    async fn an_answer_that_fails_is_asked_for_again_by_itself() {
        let asked = Arc::new(AtomicUsize::new(0));
        let left = leftovers(&failing(asked.clone()), "velero", "u", &[])
            .await
            .unwrap();
        assert_eq!((left.count(), asked.load(Ordering::SeqCst)), (0, 6));
    }

    /// What the API server is asked to hold a deletion of this Restore against.
    async fn held_against(restore: LeftRestore) -> Vec<serde_json::Value> {
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = asked.clone();
        let answer = move |method: http::Method, body: String| {
            assert_eq!(method, http::Method::DELETE);
            let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
            seen.lock().unwrap().push(sent["preconditions"].clone());
            // Velero has taken it up since.
            let taken_up = json!({ "status": "Failure", "code": 409, "reason": "Conflict" });
            std::future::ready((http::StatusCode::CONFLICT, axum::Json(taken_up)))
        };
        let client = Client::new(axum::Router::new().fallback(answer), "default");
        let left = Leftovers {
            restores: vec![restore],
            ..Leftovers::default()
        };
        let removals = remove_outside(&client, "velero", &left).await.unwrap();
        assert!(removals.iter().all(|removal| removal.refused.is_none()));
        asked.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_restore_that_velero_takes_up_in_the_moment_it_goes_is_looked_at_again() {
        let restore = |is_going: bool| LeftRestore {
            name: "kymaros-0a1b2c3d-0".to_owned(),
            is_going,
            is_under_way: false,
            version: Some("7".to_owned()),
        };
        let as_seen = json!({ "resourceVersion": "7" });
        assert_eq!(held_against(restore(false)).await, [as_seen]);
        assert!(held_against(restore(true)).await.is_empty());
    }

    /// A cluster with two volumes, each on a page of its own. The second one is of a sandbox, and its page has expired so
    /// many times.
    fn two_pages(expired: usize) -> Client {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = move |uri: http::Uri| {
            let query = uri.query().unwrap_or_default();
            assert!(query.contains("limit=500"), "{query}");
            let volume = |name: &str, namespace: &str| {
                let claim = json!({ "namespace": namespace, "name": "data" });
                json!([{ "metadata": { "name": name }, "spec": { "claimRef": claim } }])
            };
            let (code, body) = if !query.contains("continue=next") {
                let page = json!({ "metadata": { "continue": "next" }, "items": volume("other", "shop") });
                (http::StatusCode::OK, page)
            } else if asked.fetch_add(1, Ordering::SeqCst) < expired {
                let gone = json!({ "status": "Failure", "code": 410, "reason": "Expired" });
                (http::StatusCode::GONE, gone)
            } else {
                let page = json!({ "metadata": { "continue": "" }, "items": volume("ours", "rp-shop") });
                (http::StatusCode::OK, page)
            };
            std::future::ready((code, axum::Json(body)))
        };
        Client::new(axum::Router::new().fallback(answer), "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_volume_of_a_sandbox_is_found_on_every_page_and_after_one_that_expired() {
        let names = async |expired| -> Result<Vec<String>, kube::Error> {
            let found = volumes_of(&two_pages(expired), &["rp-shop".to_owned()]).await?;
            Ok(found.iter().map(ResourceExt::name_any).collect())
        };
        assert_eq!(names(0).await.unwrap(), ["ours"]);
        assert_eq!(names(1).await.unwrap(), ["ours"]);
        assert!(
            names(9).await.is_err(),
            "what was not seen to its end proves nothing"
        );
    }

    #[test]
    fn what_a_namespace_that_goes_waits_for_is_said_with_the_finalizers_that_kubernetes_does_not_tell_of() {
        let blocked = |metadata: serde_json::Value| {
            let condition =
                |kind: &str, message: &str| json!({ "type": kind, "status": "True", "message": message });
            let conditions = [
                condition("NamespaceContentRemaining", "pods remain"),
                condition("NamespaceDeletionContentFailure", "no matter"),
            ];
            let namespace = json!({ "metadata": metadata, "status": { "conditions": conditions } });
            blocker(&serde_json::from_value(namespace).unwrap())
        };
        let finalizers = ["foregroundDeletion", "example.com/cloud"];
        let going =
            json!({ "name": "sb", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers });
        assert_eq!(
            blocked(going).as_deref(),
            Some(
                "namespace sb is still going: pods remain; it has the finalizer example.com/cloud of another product"
            )
        );
        let stays = json!({ "name": "sb", "finalizers": finalizers });
        assert_eq!(
            blocked(stays).as_deref(),
            Some("namespace sb is still going: pods remain")
        );
    }
}
