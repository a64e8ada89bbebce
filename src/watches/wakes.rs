//! Who is to be looked at again after a change.

use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::Event,
    },
};
use kymaros_crds::{HealthCheckPolicy, RestoreReport, RestoreTest, RunPhase, names};

use crate::{
    fleet::{Run, RunLog},
    stored::StoredReport,
    velero::{
        Restore,
        restore::{RestorePhase, run_of},
    },
};

/// Sends wake-ups to the controllers. Sending fails only while the process ends, when nobody needs them any more.
#[derive(Clone)]
pub struct Wakes {
    /// Runs to be looked at.
    pub runs: UnboundedSender<ObjectRef<StoredReport>>,
    notices: UnboundedSender<ObjectRef<StoredReport>>,
    tests: UnboundedSender<ObjectRef<RestoreTest>>,
    sandboxes: UnboundedSender<ObjectRef<PartialObjectMeta<Namespace>>>,
    restores: UnboundedSender<ObjectRef<Restore>>,
}

/// The other ends of [`Wakes`].
pub struct Woken {
    /// For the run controller.
    pub runs: UnboundedReceiver<ObjectRef<StoredReport>>,
    /// For those who tell people.
    pub notices: UnboundedReceiver<ObjectRef<StoredReport>>,
    /// For the schedule controller.
    pub tests: UnboundedReceiver<ObjectRef<RestoreTest>>,
    /// For the sweeper.
    pub sandboxes: UnboundedReceiver<ObjectRef<PartialObjectMeta<Namespace>>>,
    /// For the sweeper.
    pub restores: UnboundedReceiver<ObjectRef<Restore>>,
}

impl Wakes {
    /// All ends.
    #[must_use]
    pub fn new() -> (Self, Woken) {
        let (runs, woken_runs) = unbounded();
        let (notices, woken_notices) = unbounded();
        let (tests, woken_tests) = unbounded();
        let (sandboxes, woken_sandboxes) = unbounded();
        let (restores, woken_restores) = unbounded();
        (
            Self {
                runs,
                notices,
                tests,
                sandboxes,
                restores,
            },
            Woken {
                runs: woken_runs,
                notices: woken_notices,
                tests: woken_tests,
                sandboxes: woken_sandboxes,
                restores: woken_restores,
            },
        )
    }

    /// A report changed: its test shows it, somebody may have to be told, and it may be the turn of the next run.
    pub fn report_changed(&self, report: &StoredReport, runs: &RunLog) {
        let namespace = report.namespace().unwrap_or_default();
        let _ = self
            .tests
            .unbounded_send(ObjectRef::new(&report.test).within(&namespace));
        let _ = self.notices.unbounded_send(ObjectRef::from_obj(report));
        self.queue_changed(runs);
    }

    /// A report went, or may have while its watch was interrupted: what its run made is looked at, for somebody may have
    /// taken the report away before its run was cleaned up.
    pub fn report_gone(
        &self,
        event: &Event<RestoreReport>,
        reports: &Store<StoredReport>,
        (sandboxes, restores): (&Store<PartialObjectMeta<Namespace>>, &Store<Restore>),
    ) {
        let is_gone = |uid: &str| match event {
            Event::Delete(report) => report.metadata.uid.as_deref() == Some(uid),
            Event::InitDone => reports.find(|report| *report.uid == *uid).is_none(),
            Event::Init | Event::InitApply(_) | Event::Apply(_) => false,
        };
        if !matches!(event, Event::Delete(_) | Event::InitDone) {
            return;
        }
        for sandbox in sandboxes.state_filter(|s| names::run_uid(s.labels()).is_some_and(is_gone)) {
            let _ = self.sandboxes.unbounded_send(ObjectRef::from_obj(&*sandbox));
        }
        for restore in restores.state_filter(|r| run_of(r).is_some_and(is_gone)) {
            let _ = self.restores.unbounded_send(ObjectRef::from_obj(&*restore));
        }
    }

    /// A Restore changed: its run goes on, or it is swept when there is none; a foreign one may hold runs back or let them go.
    pub fn restore_changed(&self, restore: &Restore, reports: &Store<StoredReport>, runs: &RunLog) {
        let Some(uid) = run_of(restore) else {
            return self.queue_changed(runs);
        };
        if let Some(report) = reports.find(|r| *r.uid == *uid) {
            self.wake_run(ObjectRef::from_obj(&*report));
        } else {
            let _ = self.restores.unbounded_send(ObjectRef::from_obj(restore));
        }
        if RestorePhase::of(restore).is_terminal() {
            self.queue_changed(runs);
        }
    }

    /// A sandbox goes: its run ends, or knows that it is gone.
    pub fn sandbox_goes(&self, sandbox: &PartialObjectMeta<Namespace>, reports: &Store<StoredReport>) {
        let Some(uid) = sandbox.labels().get(names::RUN_UID_LABEL) else {
            return;
        };
        if let Some(report) = reports.find(|r| *r.uid == **uid) {
            self.wake_run(ObjectRef::from_obj(&*report));
        }
    }

    /// A policy changed: tests that wait for it may run.
    pub fn policy_changed(&self, policy: &HealthCheckPolicy, tests: &Store<RestoreTest>) {
        let names_it = |test: &RestoreTest| {
            let wanted = test
                .spec
                .health_checks
                .as_ref()
                .and_then(|h| h.policy_ref.as_ref());
            test.namespace() == policy.namespace() && wanted == policy.metadata.name.as_ref()
        };
        for test in tests.state_filter(names_it) {
            let _ = self.tests.unbounded_send(ObjectRef::from_obj(&*test));
        }
    }

    /// Runs that have not reached Velero with all of their backups are looked at again.
    pub fn queue_changed(&self, runs: &RunLog) {
        let before_velero = |run: &&Arc<Run>| {
            matches!(
                run.phase,
                RunPhase::Queued | RunPhase::Preparing | RunPhase::Restoring
            )
        };
        for run in runs.unfinished().iter().filter(before_velero) {
            self.wake_run(run.stored());
        }
    }

    fn wake_run(&self, report: ObjectRef<StoredReport>) {
        let _ = self.runs.unbounded_send(report);
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::stored;

    fn store<K>(objects: impl IntoIterator<Item = Value>) -> Store<K>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
    {
        let (store, mut writer) = reflector::store();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object).unwrap()));
        }
        store
    }

    fn made(name: &str, manager: &str, uid: &str) -> Value {
        let labels = json!({ names::MANAGED_BY_LABEL: manager, names::RUN_UID_LABEL: uid });
        json!({ "metadata": { "name": name, "namespace": "velero", "labels": labels }, "spec": {} })
    }

    fn report(uid: &str) -> RestoreReport {
        let metadata = json!({ "name": uid, "namespace": "ops", "uid": uid });
        serde_json::from_value(json!({ "metadata": metadata, "spec": { "testRef": "shop" } })).unwrap()
    }

    #[test]
    fn what_a_run_made_is_looked_at_when_its_report_goes() {
        let all = || {
            let ours = ["a", "b"].map(|uid| made(&of_run(uid), names::MANAGED_BY, uid));
            ours.into_iter().chain([made("kymaros-0a1b2c3d-1", "Helm", "a")])
        };
        let (sandboxes, restores) = (store(all()), store(all()));
        let (reports, mut keeper) = stored::store();
        keeper.take(&Event::Apply(report("b")));
        for (event, woken) in [
            (Event::Delete(report("a")), &["a"][..]),
            (Event::Delete(report("c")), &[]),
            (Event::Apply(report("a")), &[]),
            // While the watch was away a report may have gone unseen.
            (Event::InitDone, &["a"]),
        ] {
            let (wakes, mut ends) = Wakes::new();
            wakes.report_gone(&event, &reports, (&sandboxes, &restores));
            drop(wakes);
            let mut seen = (Vec::new(), Vec::new());
            while let Ok(sandbox) = ends.sandboxes.try_recv() {
                seen.0.push(sandbox.name);
            }
            while let Ok(restore) = ends.restores.try_recv() {
                seen.1.push(restore.name);
            }
            assert_eq!(seen, (woken_names(woken), woken_names(woken)), "{event:?}");
        }
    }

    #[test]
    fn a_restore_that_changes_without_a_report_is_looked_at() {
        let (reports, mut keeper) = stored::store();
        keeper.take(&Event::Apply(report("b")));
        for (uid, is_swept) in [("a", true), ("b", false)] {
            let (wakes, mut ends) = Wakes::new();
            let restore = serde_json::from_value(made(&of_run(uid), names::MANAGED_BY, uid)).unwrap();
            wakes.restore_changed(&restore, &reports, &RunLog::default());
            assert_eq!(ends.restores.try_recv().is_ok(), is_swept, "{uid}");
            assert_eq!(ends.runs.try_recv().is_ok(), !is_swept, "{uid}");
        }
    }

    /// What a run with such a UID calls its Restore; here its sandbox as well.
    fn of_run(uid: &str) -> String {
        format!("kymaros-0000000{uid}-0")
    }

    fn woken_names(uids: &[&str]) -> Vec<String> {
        uids.iter().map(|uid| of_run(uid)).collect()
    }
}
