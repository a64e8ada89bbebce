//! The runs that admission has to know: those that still have, or will have, a sandbox.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kube::{ResourceExt, runtime::watcher::Event};
use kymaros_crds::{RestoreReport, RunPhase, domain::Test};
use kymaros_webhooks::{Run, RunState};

use crate::run::{observe, plan};

/// Runs by the UID of their report, fed by the watch over reports. Ended runs leave it, so it stays small however
/// many reports there are.
#[derive(Clone, Default)]
pub struct RunIndex(Arc<RwLock<Runs>>);

#[derive(Default)]
struct Runs {
    known: HashMap<String, Run>,
    /// The next full list while it comes in.
    coming: HashMap<String, Run>,
}

impl RunIndex {
    /// Takes an event of the watch.
    pub fn look(&self, event: &Event<RestoreReport>) {
        let mut runs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => runs.coming.clear(),
            Event::InitApply(report) => put(&mut runs.coming, report),
            Event::InitDone => runs.known = std::mem::take(&mut runs.coming),
            Event::Apply(report) => put(&mut runs.known, report),
            Event::Delete(report) => {
                runs.known.remove(&report.uid().unwrap_or_default());
            }
        }
    }

    /// The run whose report has this UID.
    #[must_use]
    pub fn get(&self, uid: &str) -> Option<Run> {
        let runs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        runs.known.get(uid).cloned()
    }

    /// The UID of the run that may make a sandbox of this name.
    #[must_use]
    pub fn of_sandbox(&self, name: &str) -> Option<String> {
        let runs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = runs.known.iter().find(|(_, run)| run.sandboxes.contains(name));
        found.map(|(uid, _)| uid.clone())
    }
}

fn put(runs: &mut HashMap<String, Run>, report: &RestoreReport) {
    let uid = report.uid().unwrap_or_default();
    match run(report) {
        Some(run) => runs.insert(uid, run),
        None => runs.remove(&uid),
    };
}

/// What admission has to know of a report; nothing once its run holds no sandbox any more.
fn run(report: &RestoreReport) -> Option<Run> {
    if observe::is_over(report) {
        return None;
    }
    let phase = observe::phase(report);
    let is_ending = matches!(phase, RunPhase::CleaningUp | RunPhase::Completed)
        || report.metadata.deletion_timestamp.is_some();
    let test = report
        .spec
        .test
        .as_ref()
        .and_then(|spec| Test::try_from(spec).ok());
    let targets = test.map(|test| plan::targets(&observe::identity(report), &test));
    Some(Run {
        state: if is_ending {
            RunState::Ending
        } else {
            RunState::Active
        },
        sandboxes: targets.into_iter().flatten().map(|t| t.sandbox).collect(),
        knows_volumes: report
            .status
            .iter()
            .flat_map(|status| status.sources.iter().enumerate())
            .filter_map(|(index, source)| (source.planned == Some(true)).then_some(index))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use kymaros_crds::names;
    use serde_json::json;

    use super::*;

    fn report(phase: &str, finalizers: &[&str]) -> RestoreReport {
        serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
            "metadata": { "name": "shop-1", "namespace": "ops", "uid": "u", "finalizers": finalizers },
            "spec": { "testRef": "shop", "test": {
                "backupSource": { "provider": "velero", "namespaces": [{ "name": "shop", "sandboxName": "try-shop" }] },
                "schedule": { "cron": "0 3 * * *" } } },
            "status": { "phase": phase },
        }))
        .unwrap()
    }

    #[test]
    fn a_run_is_known_until_it_holds_nothing_any_more() {
        let index = RunIndex::default();
        index.look(&Event::Apply(report("Restoring", &[names::FINALIZER])));
        assert_eq!(index.get("u").unwrap().state, RunState::Active);
        assert_eq!(index.of_sandbox("try-shop").as_deref(), Some("u"));
        index.look(&Event::Apply(report("CleaningUp", &[names::FINALIZER])));
        assert_eq!(index.get("u").unwrap().state, RunState::Ending);
        index.look(&Event::Apply(report("Completed", &[names::FINALIZER])));
        assert_eq!(
            index.get("u").unwrap().state,
            RunState::Ending,
            "its sandbox is kept"
        );
        index.look(&Event::Apply(report("Completed", &[])));
        assert_eq!(index.get("u"), None);
    }

    #[test]
    fn a_run_knows_the_volumes_of_the_backups_that_it_could_read() {
        let index = RunIndex::default();
        let mut report = report("Restoring", &[names::FINALIZER]);
        index.look(&Event::Apply(report.clone()));
        assert!(index.get("u").unwrap().knows_volumes.is_empty());
        let sources = json!([{ "name": "nightly" }, { "name": "weekly", "planned": true }]);
        report.status.as_mut().unwrap().sources = serde_json::from_value(sources).unwrap();
        index.look(&Event::Apply(report));
        assert_eq!(index.get("u").unwrap().knows_volumes, [1].into());
    }

    #[test]
    fn a_full_list_replaces_what_was_known() {
        let index = RunIndex::default();
        index.look(&Event::Apply(report("Restoring", &[])));
        index.look(&Event::Init);
        assert!(index.get("u").is_some(), "until the new list is whole");
        index.look(&Event::InitDone);
        assert_eq!(index.get("u"), None);
    }
}
