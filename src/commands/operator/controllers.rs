//! The controllers: every replica feeds them, and only the leader's act.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, Stream, StreamExt,
    channel::mpsc::UnboundedReceiver,
    future::{self, BoxFuture, Shared},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource,
    core::PartialObjectMeta,
    runtime::{
        Controller,
        controller::{self, Action},
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use kymaros_crds::RestoreTest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Namespaces,
    notify::{self, NotifyContext},
    run::{self, RunContext},
    sandbox::sweep::{self, SweepContext},
    schedule::{self, ScheduleContext},
    stored::StoredReport,
};

/// When a controller acts: with all first lists here, because a decision on half a world is wrong, and as the
/// leader.
#[derive(Clone)]
pub(super) struct Gate {
    pub synced: Shared<BoxFuture<'static, ()>>,
    pub leading: watch::Receiver<bool>,
    pub stop: CancellationToken,
}

impl Gate {
    /// One item each time this process becomes the leader: everything is to be looked at then.
    fn acquired(&self) -> impl Stream<Item = ()> + Send + 'static {
        let leading = self.leading.clone();
        futures::stream::unfold(leading, |mut leading| async move {
            loop {
                leading.changed().await.ok()?;
                if *leading.borrow_and_update() {
                    return Some(((), leading));
                }
            }
        })
    }

    /// A reconciler that does nothing while somebody else leads.
    fn guarded<K, C, E, F>(
        self,
        reconcile: impl Fn(Arc<K>, Arc<C>) -> F + Clone + Send + Sync + 'static,
    ) -> impl Fn(Arc<K>, Arc<C>) -> BoxFuture<'static, Result<Action, E>> + Clone
    where
        K: Send + Sync + 'static,
        C: Send + Sync + 'static,
        E: Send + 'static,
        F: Future<Output = Result<Action, E>> + Send + 'static,
    {
        move |object, context| {
            let (gate, reconcile) = (self.clone(), reconcile.clone());
            Box::pin(async move {
                if !*gate.leading.borrow() {
                    return Ok(Action::await_change());
                }
                gate.synced.await;
                reconcile(object, context).await
            })
        }
    }
}

/// Drives runs.
pub(super) fn runs(
    gate: &Gate,
    context: Arc<RunContext>,
    reports: impl Stream<Item = watcher::Result<StoredReport>> + Send + 'static,
    woken: UnboundedReceiver<ObjectRef<StoredReport>>,
) -> BoxFuture<'static, ()> {
    Controller::for_stream(reports, context.reports.clone())
        .with_config(controller::Config::default().concurrency(32))
        .reconcile_on(woken)
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(
            gate.clone().guarded(run::controller::reconcile),
            try_again,
            context,
        )
        .for_each(|_| future::ready(()))
        .boxed()
}

/// Drives tests.
pub(super) fn schedules(
    gate: &Gate,
    context: Arc<ScheduleContext>,
    tests: impl Stream<Item = watcher::Result<RestoreTest>> + Send + 'static,
    store: Store<RestoreTest>,
    woken: UnboundedReceiver<ObjectRef<RestoreTest>>,
) -> BoxFuture<'static, ()> {
    Controller::for_stream(tests, store)
        .with_config(controller::Config::default().concurrency(16))
        .reconcile_on(woken)
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(
            gate.clone().guarded(schedule::controller::reconcile),
            try_again,
            context,
        )
        .for_each(|_| future::ready(()))
        .boxed()
}

/// Tells people. What changes comes with the wake-ups, because another controller has the watch.
pub(super) fn notices(
    gate: &Gate,
    context: Arc<NotifyContext>,
    reports: Store<StoredReport>,
    woken: UnboundedReceiver<ObjectRef<StoredReport>>,
) -> BoxFuture<'static, ()> {
    let nothing = futures::stream::pending::<watcher::Result<StoredReport>>();
    Controller::for_stream(nothing, reports)
        // A receiver that does not answer holds one of these for ten seconds.
        .with_config(controller::Config::default().concurrency(64))
        .reconcile_on(woken)
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(
            gate.clone().guarded(notify::controller::reconcile),
            try_again,
            context,
        )
        .for_each(|_| future::ready(()))
        .boxed()
}

/// Sweeps sandboxes that nobody looks after.
pub(super) fn sweeps(
    gate: &Gate,
    context: Arc<SweepContext>,
    sandboxes: impl Stream<Item = watcher::Result<PartialObjectMeta<Namespace>>> + Send + 'static,
    store: Namespaces,
) -> BoxFuture<'static, ()> {
    Controller::for_stream(sandboxes, store)
        .with_config(controller::Config::default().concurrency(4))
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(gate.clone().guarded(sweep::reconcile), try_again, context)
        .for_each(|_| future::ready(()))
        .boxed()
}

/// Errors here have passed the point where they could be told in a status: all of them are tried again.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the controller hands the object over"
)]
fn try_again<K: Resource<DynamicType = ()>, E: std::fmt::Display, C>(
    object: Arc<K>,
    error: &E,
    _: Arc<C>,
) -> Action {
    tracing::warn!(
        kind = %K::kind(&()),
        name = object.meta().name.as_deref(),
        namespace = object.meta().namespace.as_deref(),
        %error,
        "will be tried again",
    );
    Action::requeue(Duration::from_secs(2))
}
