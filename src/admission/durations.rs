//! How long the runs of each test took, fed by the watch over reports.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use kube::{ResourceExt, runtime::watcher::Event};
use kymaros_crds::RestoreReport;
use kymaros_webhooks::validate::TestName;

use crate::history::Ended;

/// Durations by test and report; as many as the history of a test keeps.
#[derive(Clone, Default)]
pub struct Durations(Arc<RwLock<State>>);

#[derive(Default)]
struct State {
    known: ByTest,
    /// The next full list while it comes in.
    coming: ByTest,
}

type ByTest = HashMap<TestName, HashMap<String, Duration>>;

impl Durations {
    /// Takes an event of the watch.
    pub fn look(&self, event: &Event<RestoreReport>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => state.coming.clear(),
            Event::InitApply(report) => put(&mut state.coming, report),
            Event::InitDone => state.known = std::mem::take(&mut state.coming),
            Event::Apply(report) => put(&mut state.known, report),
            Event::Delete(report) => forget(&mut state.known, report),
        }
    }

    /// The longest of a test; zero without any.
    #[must_use]
    pub fn longest(&self, test: &TestName) -> Duration {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let runs = state.known.get(test).into_iter().flat_map(HashMap::values);
        runs.copied().max().unwrap_or_default()
    }
}

fn put(runs: &mut ByTest, report: &RestoreReport) {
    if let Some(took) = Ended::of(report).and_then(|ended| ended.took) {
        runs.entry(report.into())
            .or_default()
            .insert(report.name_any(), took);
    }
}

fn forget(runs: &mut ByTest, report: &RestoreReport) {
    let test = TestName::from(report);
    if let Some(of_test) = runs.get_mut(&test) {
        of_test.remove(&report.name_any());
        if of_test.is_empty() {
            runs.remove(&test);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(name: &str, ended: Option<&str>) -> RestoreReport {
        serde_json::from_value(json!({
            "apiVersion": "restore.kymaros.io/v1alpha1", "kind": "RestoreReport",
            "metadata": { "name": name, "namespace": "ops" }, "spec": { "testRef": "shop" },
            "status": { "startedAt": "2026-01-01T00:00:00Z", "completedAt": ended, "result": "pass" },
        }))
        .unwrap()
    }

    #[test]
    fn the_longest_of_the_runs_that_ended_counts() {
        let durations = Durations::default();
        let shop = TestName {
            namespace: "ops".into(),
            name: "shop".into(),
        };
        assert_eq!(durations.longest(&shop), Duration::ZERO);
        durations.look(&Event::Apply(report("a", Some("2026-01-01T00:01:00Z"))));
        durations.look(&Event::Apply(report("b", Some("2026-01-01T00:05:00Z"))));
        durations.look(&Event::Apply(report("c", None)));
        assert_eq!(durations.longest(&shop), Duration::from_mins(5));
        durations.look(&Event::Delete(report("b", None)));
        assert_eq!(durations.longest(&shop), Duration::from_mins(1));
        durations.look(&Event::Init);
        durations.look(&Event::InitDone);
        assert_eq!(durations.longest(&shop), Duration::ZERO);
    }
}
