//! Who is to be looked at again after a change.

use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};
use kymaros_crds::{HealthCheckPolicy, RestoreTest, RunPhase, names};

use crate::{
    fleet::{Run, RunLog},
    stored::StoredReport,
    velero::{Restore, restore::RestorePhase},
};

/// Sends wake-ups to the controllers. Sending fails only while the process ends, when nobody needs them any more.
#[derive(Clone)]
pub struct Wakes {
    /// Runs to be looked at.
    pub runs: UnboundedSender<ObjectRef<StoredReport>>,
    notices: UnboundedSender<ObjectRef<StoredReport>>,
    tests: UnboundedSender<ObjectRef<RestoreTest>>,
}

/// The other ends of [`Wakes`].
pub struct Woken {
    /// For the run controller.
    pub runs: UnboundedReceiver<ObjectRef<StoredReport>>,
    /// For those who tell people.
    pub notices: UnboundedReceiver<ObjectRef<StoredReport>>,
    /// For the schedule controller.
    pub tests: UnboundedReceiver<ObjectRef<RestoreTest>>,
}

impl Wakes {
    /// All ends.
    #[must_use]
    pub fn new() -> (Self, Woken) {
        let (runs, woken_runs) = unbounded();
        let (notices, woken_notices) = unbounded();
        let (tests, woken_tests) = unbounded();
        (
            Self { runs, notices, tests },
            Woken {
                runs: woken_runs,
                notices: woken_notices,
                tests: woken_tests,
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

    /// A Restore changed: its run goes on; a foreign one may hold runs back or let them go.
    pub fn restore_changed(&self, restore: &Restore, reports: &Store<StoredReport>, runs: &RunLog) {
        let Some(uid) = restore.labels().get(names::RUN_UID_LABEL) else {
            return self.queue_changed(runs);
        };
        if let Some(report) = reports.find(|r| *r.uid == **uid) {
            self.wake_run(ObjectRef::from_obj(&*report));
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
