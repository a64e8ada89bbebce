//! Watches over the sandboxes of one run: they live as long as the run needs them, and nothing outside a sandbox is
//! ever cached.

use std::{fmt::Debug, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::CronJob,
        core::v1::{ConfigMap, Event, Pod, ReplicationController, Service, ServiceAccount},
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt, reflector,
        reflector::Store,
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use super::{assess::SandboxObjects, config_maps, warnings};

/// Called whenever something in the sandbox changed.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The watches over one sandbox; dropping it ends them.
pub struct SandboxWatch {
    pods: Store<Pod>,
    deployments: Store<Deployment>,
    stateful_sets: Store<StatefulSet>,
    daemon_sets: Store<DaemonSet>,
    replica_sets: Store<ReplicaSet>,
    replication_controllers: Store<ReplicationController>,
    cron_jobs: Store<CronJob>,
    config_maps: Store<ConfigMap>,
    services: Store<Service>,
    role_bindings: Store<RoleBinding>,
    roles: Store<Role>,
    service_accounts: Store<ServiceAccount>,
    warnings: Store<Event>,
    pulled: Store<Event>,
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl SandboxWatch {
    /// Starts watching a sandbox.
    #[must_use]
    pub fn start(client: &Client, sandbox: &str, wake: &Wake) -> Self {
        let mut tasks = Vec::new();
        let all = watcher::Config::default;
        Self {
            pods: watch(client, sandbox, all(), whole, wake, &mut tasks),
            deployments: watch(client, sandbox, all(), whole, wake, &mut tasks),
            stateful_sets: watch(client, sandbox, all(), whole, wake, &mut tasks),
            daemon_sets: watch(client, sandbox, all(), whole, wake, &mut tasks),
            replica_sets: watch(client, sandbox, all(), whole, wake, &mut tasks),
            replication_controllers: watch(client, sandbox, all(), whole, wake, &mut tasks),
            cron_jobs: watch(client, sandbox, all(), whole, wake, &mut tasks),
            config_maps: watch(client, sandbox, all(), config_maps::keep_names, wake, &mut tasks),
            services: watch(client, sandbox, all(), whole, wake, &mut tasks),
            role_bindings: watch(client, sandbox, all(), whole, wake, &mut tasks),
            roles: watch(client, sandbox, all(), whole, wake, &mut tasks),
            service_accounts: watch(client, sandbox, all(), whole, wake, &mut tasks),
            warnings: watch(
                client,
                sandbox,
                all().fields("type=Warning"),
                whole,
                wake,
                &mut tasks,
            ),
            pulled: watch(
                client,
                sandbox,
                all().fields("reason=Pulled"),
                warnings::keep_time,
                wake,
                &mut tasks,
            ),
            tasks,
        }
    }

    /// What is in the sandbox; `None` until every watch that a verdict needs has delivered its first full list.
    #[must_use]
    pub fn objects(&self) -> Option<SandboxObjects> {
        let synced = is_synced(&self.pods)
            && is_synced(&self.deployments)
            && is_synced(&self.stateful_sets)
            && is_synced(&self.daemon_sets)
            && is_synced(&self.replica_sets)
            && is_synced(&self.replication_controllers)
            && is_synced(&self.cron_jobs)
            && is_synced(&self.config_maps)
            && is_synced(&self.services)
            && is_synced(&self.role_bindings)
            && is_synced(&self.roles)
            && is_synced(&self.service_accounts)
            && is_synced(&self.warnings)
            && self.tasks.iter().all(|t| !t.is_finished());
        synced.then(|| SandboxObjects {
            pods: owned(&self.pods),
            deployments: owned(&self.deployments),
            stateful_sets: owned(&self.stateful_sets),
            daemon_sets: owned(&self.daemon_sets),
            replica_sets: owned(&self.replica_sets),
            replication_controllers: owned(&self.replication_controllers),
            cron_jobs: owned(&self.cron_jobs),
            config_maps: owned(&self.config_maps),
            services: owned(&self.services),
            role_bindings: owned(&self.role_bindings),
            roles: owned(&self.roles),
            service_accounts: owned(&self.service_accounts),
            warnings: owned(&self.warnings),
            pulled: self
                .pulled
                .state()
                .iter()
                .filter_map(|e| warnings::last_said(e))
                .collect(),
        })
    }
}

fn is_synced<K: reflector::Lookup + Clone + 'static>(store: &Store<K>) -> bool
where
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    use futures::FutureExt;
    matches!(store.wait_until_ready().now_or_never(), Some(Ok(())))
}

fn owned<K: reflector::Lookup + Clone + 'static>(store: &Store<K>) -> Vec<K>
where
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    store.state().iter().map(|object| K::clone(object)).collect()
}

/// Watches, and stores of each object what `keep` leaves of it: [`whole`], or what else is needed.
fn watch<K>(
    client: &Client,
    sandbox: &str,
    config: watcher::Config,
    keep: fn(&mut K),
    wake: &Wake,
    tasks: &mut Vec<AbortOnDropHandle<()>>,
) -> Store<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (reader, writer) = reflector::store();
    let api = Api::<K>::namespaced(client.clone(), sandbox);
    let stream = watcher(api, config)
        .default_backoff()
        .modify(keep)
        .reflect(writer);
    tasks.push(AbortOnDropHandle::new(tokio::spawn(drive(stream, wake.clone()))));
    reader
}

fn whole<K>(_: &mut K) {}

/// Wakes the run after each change, and once the first list is complete. While the first list comes in piece by
/// piece there is nothing to decide.
async fn drive<K>(stream: impl Stream<Item = watcher::Result<watcher::Event<K>>>, wake: Wake) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_) | watcher::Event::InitDone) => wake(),
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Err(error) => tracing::debug!(%error, "a watch over a sandbox is interrupted"),
        }
    }
}
