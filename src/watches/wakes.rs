//! Who is to be looked at again after a change.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};
use kymaros_crds::{HealthCheckPolicy, RestoreReport, RestoreTest, RunPhase, names};

use crate::{
    run::observe,
    velero::{Restore, restore::RestorePhase},
};

/// Sends wake-ups to the controllers. Sending fails only while the process ends, when nobody needs them any more.
#[derive(Clone)]
pub struct Wakes {
    /// Runs to be looked at.
    pub runs: UnboundedSender<ObjectRef<RestoreReport>>,
    notices: UnboundedSender<ObjectRef<RestoreReport>>,
    tests: UnboundedSender<ObjectRef<RestoreTest>>,
}

/// The other ends of [`Wakes`].
pub struct Woken {
    /// For the run controller.
    pub runs: UnboundedReceiver<ObjectRef<RestoreReport>>,
    /// For those who tell people.
    pub notices: UnboundedReceiver<ObjectRef<RestoreReport>>,
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
    pub fn report_changed(&self, report: &RestoreReport, reports: &Store<RestoreReport>) {
        let namespace = report.namespace().unwrap_or_default();
        let _ = self
            .tests
            .unbounded_send(ObjectRef::new(&report.spec.test_ref).within(&namespace));
        let _ = self.notices.unbounded_send(ObjectRef::from_obj(report));
        self.queue_changed(reports);
    }

    /// A Restore changed: its run goes on; a foreign one may hold runs back or let them go.
    pub fn restore_changed(&self, restore: &Restore, reports: &Store<RestoreReport>) {
        let Some(uid) = restore.labels().get(names::RUN_UID_LABEL) else {
            return self.queue_changed(reports);
        };
        if let Some(report) = reports.find(|r| r.metadata.uid.as_ref() == Some(uid)) {
            self.wake_run(&report);
        }
        if RestorePhase::of(restore).is_terminal() {
            self.queue_changed(reports);
        }
    }

    /// A sandbox goes: its run ends, or knows that it is gone.
    pub fn sandbox_goes(&self, sandbox: &PartialObjectMeta<Namespace>, reports: &Store<RestoreReport>) {
        let uid = sandbox.labels().get(names::RUN_UID_LABEL);
        if let Some(report) = reports.find(|r| uid.is_some() && r.metadata.uid.as_ref() == uid) {
            self.wake_run(&report);
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
    pub fn queue_changed(&self, reports: &Store<RestoreReport>) {
        let before_velero = |r: &RestoreReport| {
            matches!(
                observe::phase(r),
                RunPhase::Queued | RunPhase::Preparing | RunPhase::Restoring
            )
        };
        for report in reports.state_filter(before_velero) {
            self.wake_run(&report);
        }
    }

    fn wake_run(&self, report: &RestoreReport) {
        let _ = self.runs.unbounded_send(ObjectRef::from_obj(report));
    }
}
