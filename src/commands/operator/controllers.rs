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
    sandbox::{
        outside,
        sweep::{self, SweepContext},
    },
    schedule::{self, ScheduleContext},
    stored::StoredReport,
    velero::Restore,
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

    /// Until somebody else may lead. Never, when the process just stops: what was begun is finished then.
    async fn lost(&self) {
        let mut leading = self.leading.clone();
        let is_lost = leading.wait_for(|leads| !*leads).await.is_ok();
        if !is_lost {
            future::pending::<()>().await;
        }
    }

    /// A reconciler that does nothing while somebody else leads. Where it is when the lead is lost, it stops: whoever leads
    /// next goes on as after a crash.
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
                gate.synced.clone().await;
                tokio::select! {
                    biased;
                    () = gate.lost() => Ok(Action::await_change()),
                    done = reconcile(object, context) => done,
                }
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
pub(super) fn sandbox_sweeps(
    gate: &Gate,
    context: Arc<SweepContext>,
    sandboxes: impl Stream<Item = watcher::Result<PartialObjectMeta<Namespace>>> + Send + 'static,
    store: Namespaces,
    woken: UnboundedReceiver<ObjectRef<PartialObjectMeta<Namespace>>>,
) -> BoxFuture<'static, ()> {
    Controller::for_stream(sandboxes, store)
        .with_config(controller::Config::default().concurrency(4))
        .reconcile_on(woken)
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(gate.clone().guarded(sweep::reconcile), try_again, context)
        .for_each(|_| future::ready(()))
        .boxed()
}

/// Sweeps Restores that nobody looks after, also when their sandboxes are gone. What changes comes with the wake-ups,
/// because the store has the watch.
pub(super) fn restore_sweeps(
    gate: &Gate,
    context: Arc<SweepContext>,
    store: Store<Restore>,
    woken: UnboundedReceiver<ObjectRef<Restore>>,
) -> BoxFuture<'static, ()> {
    let nothing = futures::stream::pending::<watcher::Result<Restore>>();
    Controller::for_stream(nothing, store)
        .with_config(controller::Config::default().concurrency(4))
        .reconcile_on(woken)
        .reconcile_all_on(gate.acquired())
        .graceful_shutdown_on(gate.stop.clone().cancelled_owned())
        .run(gate.clone().guarded(outside::reconcile), try_again, context)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// What takes two steps, each when it is told to; whether it took the second.
    async fn second_step_after(
        change: impl FnOnce(watch::Sender<bool>) -> Option<watch::Sender<bool>>,
    ) -> bool {
        let (sender, leading) = watch::channel(true);
        let gate = Gate {
            synced: future::ready(()).boxed().shared(),
            leading,
            stop: CancellationToken::new(),
        };
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        let (begun, go_on) = (first.clone(), second.clone());
        let took = Arc::new(AtomicBool::new(false));
        let taken = took.clone();
        let guarded = gate.guarded(move |_: Arc<()>, _: Arc<()>| {
            let (begun, go_on, taken) = (begun.clone(), go_on.clone(), taken.clone());
            async move {
                begun.cancel();
                go_on.cancelled().await;
                taken.store(true, Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(Action::await_change())
            }
        });
        let running = tokio::spawn(guarded(Arc::new(()), Arc::new(())));
        first.cancelled().await;
        let _kept = change(sender);
        second.cancel();
        assert!(running.await.is_ok());
        took.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn who_does_not_lead_any_more_takes_no_other_step() {
        let deposed = |sender: watch::Sender<bool>| {
            sender.send_replace(false);
            Some(sender)
        };
        assert!(!second_step_after(deposed).await);
        assert!(second_step_after(Some).await, "it still leads");
        assert!(second_step_after(|_| None).await, "it stops, and finishes first");
    }
}
