//! Removing sandboxes.
//!
//! Everything destructive inside a namespace takes an [`OwnedSandbox`], which exists only for a namespace that
//! carries the labels of the run it is removed for.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{Namespace, PersistentVolume, Pod, ReplicationController},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions},
    core::{NamespaceResourceScope, Status},
    discovery::{ApiGroup, ApiResource, Discovery, Scope, verbs},
};
use kymaros_crds::names;
use serde::de::DeserializeOwned;

use super::{
    freed::{Freed, Note},
    ignore_gone,
    leftovers::volumes_of,
    snapshots,
};
use crate::retry::again;

/// A namespace that was looked at and found to be a sandbox of the given run.
#[derive(Clone, Debug)]
pub struct OwnedSandbox {
    name: String,
    uid: String,
}

impl OwnedSandbox {
    /// Looks at the namespace; `None` when it is gone or not this run's.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn find(client: &Client, name: &str, run_uid: &str) -> Result<Option<Self>, kube::Error> {
        let namespace = look(client, name).await?;
        Ok(namespace.and_then(|namespace| Self::of(&namespace, run_uid)))
    }

    /// Whether the sandbox of the given run is being deleted.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn is_going(client: &Client, name: &str, run_uid: &str) -> Result<bool, kube::Error> {
        let namespace = look(client, name).await?;
        Ok(namespace.is_some_and(|namespace| {
            namespace.metadata.deletion_timestamp.is_some() && Self::of(&namespace, run_uid).is_some()
        }))
    }

    fn of(namespace: &Namespace, run_uid: &str) -> Option<Self> {
        let is_ours = names::run_uid(namespace.labels()) == Some(run_uid);
        is_ours.then(|| Self {
            name: namespace.name_any(),
            uid: namespace.uid().unwrap_or_default(),
        })
    }

    /// Takes away what would outlive a namespace that somebody else deletes, or keep it: volumes to be retained, and
    /// finalizers of other products. There are five seconds for it, since Kubernetes waits that long before it deletes
    /// what is in a namespace, our rights there among it; afterwards nothing is done. `note` is told of objects that
    /// finalizers of other products held.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn free(&self, client: &Client, note: Note<'_>) -> Result<(), kube::Error> {
        match tokio::try_join!(self.release_volumes(client), self.strip_finalizers(client, note)) {
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(()),
            done => done.map(drop),
        }
    }

    /// Workloads first and without grace, then the namespace: about twice as fast as deleting the namespace alone. `note` is
    /// told of objects that finalizers of other products held.
    ///
    /// # Errors
    /// When the API server refuses or does not answer.
    pub async fn remove(&self, client: &Client, note: Note<'_>) -> Result<(), kube::Error> {
        // Workloads go whatever becomes of the rest.
        let (freed, stopped) = tokio::join!(self.let_go(client, note), self.stop(client));
        freed?;
        stopped?;
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(self.uid.clone()),
            resource_version: None,
        });
        let namespaces = Api::<Namespace>::all(client.clone());
        let delete = || namespaces.delete(&self.name, &params);
        ignore_gone(again(delete).await.map(|_| ()))
    }

    /// Takes away what would outlive the namespace, or keep it.
    async fn let_go(&self, client: &Client, note: Note<'_>) -> Result<(), kube::Error> {
        tokio::try_join!(
            self.release_volumes(client),
            self.strip_finalizers(client, note),
            self.remove_snapshots(client),
        )
        .map(drop)
    }

    /// Deletes whatever runs pods, and then those.
    async fn stop(&self, client: &Client) -> Result<(), kube::Error> {
        let controllers = tokio::join!(
            self.delete_all::<Deployment>(client),
            self.delete_all::<StatefulSet>(client),
            self.delete_all::<DaemonSet>(client),
            self.delete_all::<ReplicaSet>(client),
            self.delete_all::<ReplicationController>(client),
            self.delete_all::<CronJob>(client),
            self.delete_all::<Job>(client),
        );
        let (deployments, stateful, daemons, replicas, old, crons, jobs) = controllers;
        let pods = self.delete_all::<Pod>(client).await;
        for deleted in [deployments, stateful, daemons, replicas, old, crons, jobs, pods] {
            self.goes_anyway(deleted)?;
        }
        Ok(())
    }

    /// What is not deleted now goes with the namespace, only later: an API server that asks to try again must not keep
    /// a sandbox until it takes all of that in one go, nor must a sandbox stay that was still without our rights in it when
    /// its run ended. What somebody refuses does not go with the namespace either.
    fn goes_anyway(&self, deleted: Result<(), kube::Error>) -> Result<(), kube::Error> {
        match deleted {
            Err(kube::Error::Api(status)) if status.is_forbidden() && !is_without_right(&status) => {
                Err(kube::Error::Api(status))
            }
            Err(error) => {
                tracing::warn!(sandbox = %self.name, %error, "workloads go with their namespace");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn delete_all<K>(&self, client: &Client) -> Result<(), kube::Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(client.clone(), &self.name);
        let params = DeleteParams::background().grace_period(0);
        ignore_gone(
            api.delete_collection(&params, &ListParams::default())
                .await
                .map(|_| ()),
        )
    }

    /// Volumes provisioned for this sandbox go with it. Velero gives a new volume the reclaim policy of the one in
    /// the backup, so a `Retain` in production would leak a disk a run.
    async fn release_volumes(&self, client: &Client) -> Result<(), kube::Error> {
        let volumes = Api::<PersistentVolume>::all(client.clone());
        let patch = serde_json::json!({ "spec": { "persistentVolumeReclaimPolicy": "Delete" } });
        for volume in volumes_of(client, std::slice::from_ref(&self.name)).await? {
            let retained = volume
                .spec
                .as_ref()
                .and_then(|s| s.persistent_volume_reclaim_policy.as_deref())
                == Some("Retain");
            let provisioned = volume
                .annotations()
                .contains_key("pv.kubernetes.io/provisioned-by");
            if retained && provisioned {
                let params = PatchParams::default();
                volumes
                    .patch(&volume.name_any(), &params, &Patch::Merge(&patch))
                    .await?;
            }
        }
        Ok(())
    }

    /// The snapshot controller holds them until the claims that they fill are gone. One that may not be removed keeps no
    /// sandbox, and is tried again with what is outside of sandboxes.
    async fn remove_snapshots(&self, client: &Client) -> Result<(), kube::Error> {
        let contents = snapshots::of_sandboxes(client, std::slice::from_ref(&self.name)).await?;
        snapshots::remove(client, &contents).await.map(drop)
    }

    /// Removes finalizers of other products. The objects are copies: what such a finalizer guards outside belongs to
    /// the original, and nobody would ever take it off the copy. It is done before the namespace goes, because our
    /// rights in it go with it.
    async fn strip_finalizers(&self, client: &Client, note: Note<'_>) -> Result<(), kube::Error> {
        let discover = || Discovery::new(client.clone()).run_aggregated();
        let discovery = again(discover).await?;
        let kinds = discovery
            .groups()
            .flat_map(ApiGroup::recommended_resources)
            .filter(|(_, capabilities)| {
                let usable = |verb| capabilities.supports_operation(verb);
                capabilities.scope == Scope::Namespaced && usable(verbs::LIST) && usable(verbs::PATCH)
            });
        stream::iter(kinds)
            .map(|(resource, _)| async move { self.strip_kind(client, &resource, note).await })
            .buffer_unordered(16)
            .try_collect()
            .await
    }

    async fn strip_kind(
        &self,
        client: &Client,
        resource: &ApiResource,
        note: Note<'_>,
    ) -> Result<(), kube::Error> {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), &self.name, resource);
        let params = ListParams::default();
        let objects = match again(|| api.list_metadata(&params)).await {
            Ok(objects) => objects.items,
            // A kind that an aggregated API server offers and does not serve must not keep the sandbox alive.
            Err(kube::Error::Api(status)) => {
                tracing::debug!(kind = %resource.kind, reason = %status.reason, "cannot be listed in a sandbox");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for object in objects {
            let finalizers = object.finalizers().iter();
            let (kept, foreign): (Vec<&String>, Vec<&String>) =
                finalizers.partition(|f| names::is_kubernetes_finalizer(f));
            if let Some(first) = foreign.first() {
                let patch = Patch::Merge(serde_json::json!({ "metadata": { "finalizers": kept } }));
                let name = object.name_any();
                let patched = api.patch_metadata(&name, &PatchParams::default(), &patch).await;
                ignore_gone(patched.map(|_| ()))?;
                tracing::info!(sandbox = %self.name, kind = %resource.kind, name, "removed a foreign finalizer");
                note(Freed::Object {
                    kind: resource.kind.clone(),
                    name,
                    finalizer: String::clone(first),
                });
            }
        }
        Ok(())
    }
}

async fn look(client: &Client, name: &str) -> Result<Option<Namespace>, kube::Error> {
    let namespaces = Api::<Namespace>::all(client.clone());
    again(|| namespaces.get_opt(name)).await
}

/// Whether it is a right that is missing, in the words that the API server has for that; admission has others.
fn is_without_right(status: &Status) -> bool {
    status.message.contains(" cannot deletecollection resource ")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use serde_json::json;

    use super::*;

    fn namespace(labels: &[(&str, &str)]) -> Namespace {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("production".into());
        namespace.metadata.labels = Some(
            labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        );
        namespace
    }

    #[test]
    fn a_refusal_that_may_pass_keeps_no_sandbox() {
        let ours = [
            (names::MANAGED_BY_LABEL, names::MANAGED_BY),
            (names::RUN_UID_LABEL, "u"),
        ];
        let sandbox = OwnedSandbox::of(&namespace(&ours), "u").unwrap();
        let refused_with = |code: u16, reason: &str, message: &str| {
            let status = serde_json::json!({ "status": "Failure", "code": code, "reason": reason, "message": message });
            let status = serde_json::from_value(status).unwrap();
            sandbox.goes_anyway(Err(kube::Error::Api(Box::new(status))))
        };
        let refused = |code: u16, reason: &str| refused_with(code, reason, "");
        assert!(refused(500, "InternalError").is_ok() && refused(429, "TooManyRequests").is_ok());
        assert!(refused(403, "Forbidden").is_err());
        let by_webhook = "admission webhook \"keep.example.com\" denied the request: it is Friday";
        assert!(refused_with(403, "Forbidden", by_webhook).is_err());
        let half_made = "deployments.apps is forbidden: User \"kymaros\" cannot deletecollection resource \
                         \"deployments\" in API group \"apps\" in the namespace \"production\"";
        assert!(refused_with(403, "Forbidden", half_made).is_ok());
    }

    /// A cluster that refuses every so many of its reads or writes, and whether the namespace was deleted.
    fn refusing(code: u16, of_reads: bool, every: usize) -> (Client, Arc<AtomicBool>) {
        let (gone, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let deleted = gone.clone();
        let answer = move |method: http::Method, uri: http::Uri| {
            let list = |kind: &str| json!({ "kind": kind, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [] });
            let refused = json!({ "kind": "Status", "status": "Failure", "code": code,
                                  "reason": if code == 409 { "Conflict" } else { "InternalError" } });
            let is_read = method == http::Method::GET;
            let is_refused =
                is_read == of_reads && (asked.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every);
            let (code, body) = if is_refused {
                (code, refused)
            } else if is_read {
                let is_discovery = matches!(uri.path(), "/api" | "/apis");
                let kind = if is_discovery {
                    "APIGroupDiscoveryList"
                } else {
                    "List"
                };
                (200, list(kind))
            } else {
                deleted.fetch_or(uri.path() == "/api/v1/namespaces/production", Ordering::SeqCst);
                (200, json!({ "kind": "Status", "status": "Success" }))
            };
            let code = http::StatusCode::from_u16(code).unwrap();
            std::future::ready((code, axum::Json(body)))
        };
        (Client::new(axum::Router::new().fallback(answer), "default"), gone)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rhythm_of_refusals_keeps_no_sandbox() {
        let ours = [
            (names::MANAGED_BY_LABEL, names::MANAGED_BY),
            (names::RUN_UID_LABEL, "u"),
        ];
        let sandbox = OwnedSandbox::of(&namespace(&ours), "u").unwrap();
        let writes = [(409, false, 4), (500, false, 4)];
        // Two reads in a row find out what kinds there are.
        let reads = [(500, true, 3), (500, true, 4), (500, true, 5)];
        for rhythm @ (code, of_reads, every) in writes.into_iter().chain(reads) {
            let (client, gone) = refusing(code, of_reads, every);
            let removed = sandbox.remove(&client, &|_| {}).await;
            assert!(removed.is_ok(), "{rhythm:?}: {removed:?}");
            assert!(gone.load(Ordering::SeqCst), "{rhythm:?}");
        }
    }

    #[test]
    fn only_a_namespace_of_this_very_run_is_ever_removed() {
        let ours = [
            (names::MANAGED_BY_LABEL, names::MANAGED_BY),
            (names::RUN_UID_LABEL, "u"),
        ];
        assert!(OwnedSandbox::of(&namespace(&ours), "u").is_some());
        assert!(OwnedSandbox::of(&namespace(&ours), "other").is_none());
        assert!(OwnedSandbox::of(&namespace(&ours[..1]), "u").is_none());
        assert!(OwnedSandbox::of(&namespace(&ours[1..]), "u").is_none());
        assert!(OwnedSandbox::of(&namespace(&[]), "").is_none());
    }
}
