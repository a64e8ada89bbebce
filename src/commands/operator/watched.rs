//! Watches of the operator and the stores they fill. Every replica has them: admission answers from them.

use futures::{Stream, StreamExt, TryStreamExt, future};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, PersistentVolume},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt,
        reflector::{self, Store, store::Writer},
        watcher::{self, watcher},
    },
};
use kymaros_crds::{HealthCheckPolicy, RestoreReport, RestoreTest};
use tokio::sync::watch;

use crate::{
    admission::{Durations, Namespaces, RunIndex, Uses},
    fleet::RunLog,
    metrics::RunsSeen,
    stored::{Keeper, StoredReport},
    velero::{Backup, Restore, Schedule, StorageLocation},
    watches::{FirstList, Wakes, tolerant},
};

/// Counts changes that may turn a refusal of admission into a permission.
#[derive(Clone)]
pub(super) struct Changes(watch::Sender<u64>);

impl Changes {
    pub(super) fn new() -> (Self, watch::Receiver<u64>) {
        let (sender, receiver) = watch::channel(0);
        (Self(sender), receiver)
    }

    pub(super) fn happened(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// What admission, metrics and people look up, kept by the watches.
#[derive(Default)]
pub(super) struct Indexes {
    pub runs: RunIndex,
    pub durations: Durations,
    pub uses: Uses,
    pub ended: RunsSeen,
    pub log: RunLog,
}

/// The reports as they change; every store that answers from them has them before the controller does.
pub(super) fn reports(
    client: &Client,
    (reports, mut keeper): (&Store<StoredReport>, Keeper),
    indexes: &Indexes,
    (namespaces, restores): (&Namespaces, &Store<Restore>),
    (wakes, changes): (&Wakes, &Changes),
    first: FirstList,
) -> impl Stream<Item = watcher::Result<StoredReport>> + Send + use<> {
    let (wakes, changes) = (wakes.clone(), changes.clone());
    let (reports, namespaces, restores) = (reports.clone(), namespaces.clone(), restores.clone());
    let sweeper = wakes.clone();
    let (runs, durations) = (indexes.runs.clone(), indexes.durations.clone());
    let (ended, log) = (indexes.ended.clone(), indexes.log.clone());
    let woken = log.clone();
    tolerant(
        Api::all(client.clone()),
        watcher::Config::default(),
        log_invalid::<RestoreReport>,
    )
    .modify(|report: &mut RestoreReport| report.managed_fields_mut().clear())
    .map_ok(move |event| {
        let kept = keeper.take(&event);
        first.look(&event);
        runs.look(&event);
        durations.look(&event);
        ended.look(&event);
        log.look(&event);
        sweeper.report_gone(&event, &reports, (&namespaces, &restores));
        changes.happened();
        kept
    })
    .touched_objects()
    .inspect_ok(move |report| wakes.report_changed(report, &woken))
}

/// The tests as they change.
pub(super) fn tests(
    client: &Client,
    writer: Writer<RestoreTest>,
    indexes: &Indexes,
    first: FirstList,
) -> impl Stream<Item = watcher::Result<RestoreTest>> + Send + use<> {
    let (uses, ended) = (indexes.uses.clone(), indexes.ended.clone());
    let marks = {
        let client = client.clone();
        move |invalid| drop(tokio::spawn(mark_invalid(client.clone(), invalid)))
    };
    tolerant(Api::all(client.clone()), watcher::Config::default(), marks)
        .modify(|test: &mut RestoreTest| test.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            first.look(event);
            uses.look(event);
            ended.look_at_test(event);
        })
        .touched_objects()
}

pub(super) fn policies(
    client: &Client,
    wakes: &Wakes,
    tests: &Store<RestoreTest>,
    first: FirstList,
) -> Store<HealthCheckPolicy> {
    let (wakes, tests) = (wakes.clone(), tests.clone());
    keep(
        Api::all(client.clone()),
        first,
        move |policy: &HealthCheckPolicy| {
            wakes.policy_changed(policy, &tests);
        },
    )
}

pub(super) fn restores(
    client: &Client,
    velero: &str,
    (reports, runs): (&Store<StoredReport>, &RunLog),
    (wakes, changes): (&Wakes, &Changes),
    first: FirstList,
) -> Store<Restore> {
    let (wakes, changes) = (wakes.clone(), changes.clone());
    let (reports, runs) = (reports.clone(), runs.clone());
    let api = Api::namespaced(client.clone(), velero);
    keep(api, first, move |restore: &Restore| {
        wakes.restore_changed(restore, &reports, &runs);
        changes.happened();
    })
}

pub(super) fn backups(client: &Client, velero: &str, first: FirstList) -> Store<Backup> {
    keep(Api::namespaced(client.clone(), velero), first, |_: &Backup| {})
}

/// Schedules, which people want to see beside the tests of what they make.
pub(super) fn schedules(client: &Client, velero: &str, first: FirstList) -> Store<Schedule> {
    keep(Api::namespaced(client.clone(), velero), first, |_: &Schedule| {})
}

/// Storage locations, as far as they say which is the default and whether it can be reached.
pub(super) fn locations(client: &Client, velero: &str, first: FirstList) -> Store<StorageLocation> {
    keep(
        Api::namespaced(client.clone(), velero),
        first,
        |_: &StorageLocation| {},
    )
}

pub(super) fn velero_deployments(client: &Client, velero: &str, first: FirstList) -> Store<Deployment> {
    keep(
        Api::namespaced(client.clone(), velero),
        first,
        |_: &Deployment| {},
    )
}

/// Volumes, as far as they say where they are kept.
pub(super) fn volumes(client: &Client, first: FirstList) -> Store<PersistentVolume> {
    let (store, writer) = reflector::store();
    let stream = tolerant(
        Api::all(client.clone()),
        watcher::Config::default(),
        log_invalid::<PersistentVolume>,
    )
    .modify(|volume: &mut PersistentVolume| {
        volume.managed_fields_mut().clear();
        volume.annotations_mut().clear();
        volume.status = None;
    })
    .reflect(writer)
    .inspect_ok(move |event| first.look(event))
    .touched_objects();
    tokio::spawn(stream.for_each(|_| future::ready(())));
    store
}

/// The metadata of all namespaces: the store, and the sandboxes among them as they change.
pub(super) fn namespaces(
    client: &Client,
    wakes: &Wakes,
    reports: &Store<StoredReport>,
    changes: &Changes,
    first: FirstList,
) -> (
    Namespaces,
    impl Stream<Item = watcher::Result<PartialObjectMeta<Namespace>>> + Send + use<>,
) {
    let (wakes, reports, changes) = (wakes.clone(), reports.clone(), changes.clone());
    let (store, writer) = reflector::store();
    let stream = watcher(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|namespace: &mut PartialObjectMeta<Namespace>| namespace.managed_fields_mut().clear())
    .reflect(writer)
    .inspect_ok(move |event| {
        first.look(event);
        changes.happened();
    })
    .touched_objects()
    .try_filter(|namespace| future::ready(kymaros_crds::names::is_managed(namespace.labels())))
    .inspect_ok(move |sandbox| {
        if sandbox.metadata.deletion_timestamp.is_some() {
            wakes.sandbox_goes(sandbox, &reports);
        }
    });
    (store, stream)
}

/// A store that a watch of its own keeps up to date.
fn keep<K>(
    api: Api<DeserializeGuard<K>>,
    first: FirstList,
    on_change: impl Fn(&K) + Send + 'static,
) -> Store<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let stream = tolerant(api, watcher::Config::default(), log_invalid::<K>)
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| first.look(event))
        .touched_objects();
    tokio::spawn(stream.for_each(move |object| {
        if let Ok(object) = object {
            on_change(&object);
        }
        future::ready(())
    }));
    store
}

fn log_invalid<K: Resource<DynamicType = ()>>(invalid: InvalidObject) {
    let (name, namespace) = (invalid.metadata.name, invalid.metadata.namespace);
    tracing::error!(kind = %K::kind(&()), name, namespace, error = invalid.error, "a stored object cannot be read");
}

/// A stored test that does not even parse as JSON of its kind gets a condition on itself; everything else goes on.
async fn mark_invalid(client: Client, invalid: InvalidObject) {
    use kube::api::{Patch, PatchParams};
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let mut conditions = Vec::new();
    crate::condition::set(
        &mut conditions,
        "Ready",
        false,
        "Unreadable",
        &invalid.error,
        invalid.metadata.generation,
    );
    let patch = serde_json::json!({ "status": { "conditions": conditions } });
    log_invalid::<RestoreTest>(invalid);
    let api = Api::<DeserializeGuard<RestoreTest>>::namespaced(client, &namespace);
    if let Err(error) = api
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        tracing::warn!(%error, name, namespace, "the condition of an unreadable test could not be written");
    }
}
